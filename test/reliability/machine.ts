// What a campaign ran on.
import os from 'node:os';
import type { Machine } from '../../scripts/docs/reliability-tables.ts';

export function machineOf(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    node: process.version,
    loadBefore: Math.round((os.loadavg()[0] ?? 0) * 100) / 100,
  };
}
