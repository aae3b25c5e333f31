// Real processes: programs of the system, and the project's own commands.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './settings.ts';

const ROOT = join(import.meta.dirname, '../../..');
const POLL_INTERVAL_MS = 20;

export interface RunningProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything that it has printed so far, on both streams. */
  output(): string;
  /** Ends it, by SIGTERM by default, and waits until it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

// A run that is interrupted leaves no process behind.
const running = new Set<ChildProcessWithoutNullStreams>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a program.
 * @param environment all that it has besides PATH and HOME
 * @param folder default: the project's root
 */
export function startProgram(
  command: string,
  args: readonly string[],
  environment: Environment = {},
  folder: string = ROOT,
): RunningProcess {
  const child = spawned(command, args, environment, folder);
  const output = gathered(child.stdout, child.stderr);
  const exited = new Promise<Awaited<RunningProcess['exited']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    child,
    output,
    exited,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

/** Starts a script with the Node that runs this. @param script path from the root */
export function startScript(script: string, args: readonly string[], environment: Environment): RunningProcess {
  return startProgram(process.execPath, [join(ROOT, script), ...args], environment);
}

/** Runs a script to its end. @param script path from the root */
export async function runScript(
  script: string,
  args: readonly string[],
  environment: Environment = {},
): Promise<Ended> {
  const child = spawned(process.execPath, [join(ROOT, script), ...args], environment);
  child.stdin.end();
  const [stdout, stderr] = [gathered(child.stdout), gathered(child.stderr)];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: stdout(), stderr: stderr() };
}

/** Waits until it has printed what the pattern matches. @throws Error when it ends first, or after `timeoutMs` */
export async function printed(started: RunningProcess, pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const match = pattern.exec(started.output());
    if (match) return match;
    if (started.child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`${pattern} was not printed:\n${started.output()}`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

function spawned(
  command: string,
  args: readonly string[],
  environment: Environment,
  folder: string = ROOT,
): ChildProcessWithoutNullStreams {
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** The output of these streams so far. */
function gathered(...streams: Readable[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
  }
  return () => text;
}
