// What the bench runs on: cores, versions, and the Debian programs that it needs.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { Cores } from './load/subjects.ts';

const DEBIAN_PACKAGES = [
  ['nginx', 'nginx'],
  ['wrk', 'wrk'],
  ['taskset', 'util-linux'],
  ['setpriv', 'util-linux'],
] as const;
const INSTALL_MAX_MS = 300_000;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly nginx: string;
  readonly wrk: string;
  /** Load average of the last minute before the bench began: other work makes every figure worthless. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    kernel: os.release(),
    node: process.version,
    nginx: /nginx\/(\S+)/.exec(outputOf('nginx', '-v'))?.[1] ?? 'unknown',
    wrk: /^wrk \D*([\d.]+)/.exec(outputOf('wrk', '-v'))?.[1] ?? 'unknown',
    loadBefore: os.loadavg()[0] ?? 0,
  };
}

/** The first two cores that this process may use. */
export function chooseCores(): Cores {
  const status = readFileSync('/proc/self/status', 'latin1');
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '';
  const allowed: number[] = [];
  for (const part of list.split(',')) {
    const [first, last] = part.split('-').map(Number);
    for (let core = first ?? 0; core <= (last ?? first ?? -1); core += 1) allowed.push(core);
  }
  const [subject, load] = allowed;
  if (subject === undefined || load === undefined) {
    throw new Error('the bench needs two cores: one for the program under test, one for the load and the upstream');
  }
  return { subject, load };
}

/** Makes sure that nginx, wrk, taskset and setpriv are there: installs them as root, else names what is missing. */
export function requirePrograms(): void {
  if (process.platform !== 'linux') throw new Error('the bench runs on Linux only: it pins cores and reads /proc');
  let missing = missingPackages();
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) throw new Error(`missing programs; install them with: sudo ${command}`);
  console.log(`installing ${missing.join(' ')}`);
  const nginxWasMissing = missing.includes('nginx');
  run('apt-get', ['update', '-q']);
  run('apt-get', command.split(' ').slice(1));
  // Debian starts nginx's own service with the package; nothing here wants it.
  if (nginxWasMissing) spawnSync('service', ['nginx', 'stop'], { timeout: 10_000 });
  missing = missingPackages();
  if (missing.length > 0) throw new Error(`could not install ${missing.join(' ')}; try: ${command}`);
}

function missingPackages(): string[] {
  const missing = new Set<string>();
  for (const [program, debianPackage] of DEBIAN_PACKAGES) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) missing.add(debianPackage);
  }
  return [...missing];
}

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_MAX_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
}

function outputOf(command: string, argument: string): string {
  const result = spawnSync(command, [argument], { encoding: 'utf8', timeout: 5000 });
  return `${result.stdout}${result.stderr}`;
}
