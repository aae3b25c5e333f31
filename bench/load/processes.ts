// Starts what the bench needs, each in its own process group on a given core, knows what CPU it used, and ends all of
// it whatever happens: at the end, on a failure, on Ctrl-C, and (by the parent-death signal) when the runner is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepts } from '@mte-relay/testing/servers';

const READY_MAX_MS = 15_000;
const END_MAX_MS = 4000;
const OUTPUT_KEPT_CHARS = 4000;
const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc/PID/stat on every Linux architecture

interface StartOptions {
  readonly core: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Run as this user; only root may. */
  readonly uid?: number | undefined;
  readonly ipc?: boolean;
}

/** A process under the bench's care. */
export interface Started {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** The last of what it printed. */
  output(): string;
}

const running = new Set<Started>();

export function start(name: string, command: readonly string[], options: StartOptions): Started {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'taskset', '-c', String(options.core), ...command], {
    detached: true, // a group of its own, so that workers end with their master
    env: { ...process.env, ...options.env },
    stdio: options.ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  let output = '';
  const keep = (text: Buffer): void => {
    output = (output + text.toString()).slice(-OUTPUT_KEPT_CHARS);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  // A failed spawn shows as a missing pid below and as an early end later.
  child.on('error', (error) => keep(Buffer.from(error.message)));
  if (child.pid === undefined) throw new Error(`${name} did not start: ${command[0]}`);
  const started: Started = { name, pid: child.pid, child, output: () => output };
  running.add(started);
  child.on('exit', () => running.delete(started));
  return started;
}

function hasEnded({ child }: Started): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves once something accepts connections on the port. */
export async function listening(started: Started, port: number): Promise<void> {
  const deadlineMs = performance.now() + READY_MAX_MS;
  while (performance.now() < deadlineMs) {
    if (hasEnded(started)) break;
    if (await accepts(port)) return;
    await sleep(50);
  }
  throw new Error(
    `${started.name} does not listen on port ${port}: ${started.output().trim() || 'it printed nothing'}`,
  );
}

/** Ends every process that was started, first politely. */
export async function endAll(): Promise<void> {
  const ending = [...running];
  for (const started of ending) signalGroup(started, 'SIGTERM');
  const deadlineMs = performance.now() + END_MAX_MS;
  while (!ending.every(hasEnded) && performance.now() < deadlineMs) await sleep(20);
  for (const started of ending) signalGroup(started, 'SIGKILL');
}

function signalGroup({ pid }: Started, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group has already ended
  }
}

/** User and system CPU of a process and its descendants so far, in seconds; resolution 10 ms. */
export function cpuSecondsOfTree(rootPid: number): number {
  const stats = new Map<number, { parent: number; ticks: number }>();
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) ? readStat(entry) : undefined;
    if (stat) stats.set(Number(entry), stat);
  }
  let ticks = 0;
  for (const [pid, stat] of stats) if (descendsFrom(pid, rootPid, stats)) ticks += stat.ticks;
  return ticks / TICKS_PER_SECOND;
}

function readStat(pid: string): { parent: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc_pid_stat(5): the fields behind the command's name in parentheses start with number 3, the state.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3]);
    return { parent: field(4), ticks: field(14) + field(15) };
  } catch {
    return undefined; // it ended in between
  }
}

function descendsFrom(pid: number, root: number, stats: ReadonlyMap<number, { parent: number }>): boolean {
  let at: number | undefined = pid;
  for (let depth = 0; at !== undefined && depth < 32; depth += 1) {
    if (at === root) return true;
    at = stats.get(at)?.parent;
  }
  return false;
}

/** Busy time of a core so far, in seconds, with what the hypervisor took; everything on the machine counts. */
export function busySecondsOfCore(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))?.[1];
  // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? '').split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}
