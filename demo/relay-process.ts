// Runs the real relay command as a child process, as a container would.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const COMMAND = fileURLToPath(new URL('../packages/server/bin/mte-relay-server.js', import.meta.url));
const STOP_DEADLINE_MS = 3000;
const READY_DEADLINE_MS = 20_000;
const POLL_INTERVAL_MS = 50;

export interface RelayProcess {
  /** Resolves when the relay responds on its own port. */
  ready(): Promise<void>;
  /** Ends the relay and starts it again with the same settings; resolves when it responds. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The pin of the relay that these settings make. */
export async function relayPin(env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, 'identity'], { env }).catch(
    (error: Error & { stderr?: string }) => {
      throw new Error(error.stderr?.trim() || error.message);
    },
  );
  const pin = /sha256-[A-Za-z0-9+/]{43}=/.exec(stdout)?.[0];
  if (!pin) throw new Error(`"mte-relay-server identity" printed no pin: ${JSON.stringify(stdout.slice(0, 200))}`);
  return pin;
}

/** Starts the relay; `onExit` receives an end that the demo did not cause. Returns at once: `ready` waits. */
export function startRelay(env: NodeJS.ProcessEnv, readyUrl: string, onExit: (why: string) => void): RelayProcess {
  let stopping = false;
  let child = launch();

  function launch(): ChildProcess {
    const started = spawn(process.execPath, [COMMAND, 'start'], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    started.once('error', (error) => onExit(error.message));
    started.once('exit', (code, signal) => {
      if (started === child && !stopping) onExit(`it ended with ${signal ?? `exit code ${code}`}`);
    });
    return started;
  }

  async function stop(): Promise<void> {
    stopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await exited;
    clearTimeout(deadline);
  }

  return {
    ready: () => untilReady(readyUrl),
    stop,
    async restart() {
      await stop();
      child = launch();
      stopping = false;
      await untilReady(readyUrl);
    },
  };
}

/** Resolves once the relay responds with 200 at its discovery address. */
export async function untilReady(url: string): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await sleep(POLL_INTERVAL_MS);
  }
  throw new Error(`no response from ${url} within ${READY_DEADLINE_MS / 1000} s`);
}
