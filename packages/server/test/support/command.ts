// The command mte-relay-server as a real process, with exactly the given environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');
const START_DEADLINE_MS = 20_000;

type Environment = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], environment: Environment = {}): Promise<Ended> {
  const { child, output } = launch(args, environment);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

export interface RunningRelay {
  readonly port: number;
  /** Log lines so far. */
  logged(): Record<string, unknown>[];
  readonly output: { stdout: string; stderr: string };
  stop(): Promise<number | null>;
}

/** Starts the command on a free port and waits until it listens; it ends with the test. */
export async function startCommand(environment: Environment, args: readonly string[] = []): Promise<RunningRelay> {
  const { child, output } = launch(['start', ...args], { PORT: '0', DRAIN_DELAY_MS: '0', ...environment });
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
    return child.exitCode;
  };
  onTestFinished(async () => void (await stop()));
  const logged = (): Record<string, unknown>[] =>
    output.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const deadlineMs = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const line = logged().find(({ msg }) => msg === 'relay is listening');
    if (line) return { port: line['port'] as number, logged, output, stop };
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`the relay did not start:\n${output.stdout}${output.stderr}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Files in a folder of their own, which goes with the test; gives the folder. */
export function temporaryFiles(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-settings-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function launch(
  args: readonly string[],
  environment: Environment,
): { child: ChildProcess; output: { stdout: string; stderr: string } } {
  const output = { stdout: '', stderr: '' };
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { PATH: process.env['PATH'], ...environment } });
  child.stdout.on('data', (text: Buffer) => {
    output.stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    output.stderr += text.toString();
  });
  return { child, output };
}
