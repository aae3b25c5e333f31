// Real processes: the project's commands and other programs.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

export interface RunningProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything it has printed so far. */
  output(): string;
  /** Ends it and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a script with the Node that runs this. @param script path from the project's root. */
export function startScript(script: string, args: string[], environment: Record<string, string>): RunningProcess {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment };
  return startProgram(process.execPath, [join(ROOT, script), ...args], { cwd: ROOT, env });
}

/** Starts a program. The default environment and folder are this process's. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): RunningProcess {
  const child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
  }
  return {
    child,
    output: () => text,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

/** Waits until it has printed what the pattern matches. Rejects when it ends first or after `timeoutMs`. */
export async function printed(running: RunningProcess, pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const match = pattern.exec(running.output());
    if (match) return match;
    if (running.child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`${pattern} was not printed:\n${running.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
