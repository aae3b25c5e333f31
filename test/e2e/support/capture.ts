// A capture of one TCP port on the loopback interface, by tcpdump.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from '../../../scripts/test/tools.ts';

/** Where `npm test` found tcpdump. Capturing also needs the right to; without it the test says so and is skipped. */
export const TCPDUMP: string | undefined = toolPath('tcpdump');

const BUFFER_KIB = 262_144; // so that the kernel drops nothing at loopback speed

export interface Capture {
  /** Stops, and gives everything that was captured. Throws when the kernel dropped packets. */
  finish(): Promise<Buffer>;
}

export async function capturePort(tcpdump: string, port: number): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-capture-'));
  const file = join(folder, 'wire.pcap');
  const args = ['-i', 'lo', '-B', String(BUFFER_KIB), '-s', '0', '-U', '-w', file];
  const child: ChildProcess = spawn(tcpdump, [...args, '-Z', 'root', `tcp port ${port}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const deadlineMs = performance.now() + 10_000;
  while (!said.includes('listening on')) {
    if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`tcpdump did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    async finish() {
      await new Promise((resolve) => setTimeout(resolve, 1000)); // what is still in the kernel's buffer
      child.kill('SIGINT');
      await once(child, 'close');
      const captured = readFileSync(file);
      rmSync(folder, { recursive: true, force: true });
      const dropped = Number(/(\d+) packets dropped by kernel/.exec(said)?.[1]);
      if (dropped !== 0) throw new Error(`the capture is not whole: ${said}`);
      return captured;
    },
  };
}
