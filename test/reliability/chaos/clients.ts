// The client processes of a chaos campaign, from the outside: what they are told arrives here.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ClientJob, FromClient, Outcome, ToClient } from './outcome.ts';

const SCRIPT = join(import.meta.dirname, 'client-process.ts');
/** A process reports what is hung itself; a process that has hung is an error. */
const FINISH_MAX_MS = 90_000;

export class Clients {
  readonly #children: readonly ChildProcess[];

  /** Starts a process for each job. */
  constructor(jobs: readonly ClientJob[], onOutcome: (outcome: Outcome) => void) {
    this.#children = jobs.map((job) => {
      const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      child.on('message', (message: FromClient) => {
        if ('outcomes' in message) for (const outcome of message.outcomes) onOutcome(outcome);
      });
      child.send({ job } satisfies ToClient);
      return child;
    });
  }

  /** Lets calls in progress settle, and ends the processes. @throws Error when one ends by itself, or not at all */
  async finish(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const ended = once(child, 'exit', { signal: AbortSignal.timeout(FINISH_MAX_MS) });
        if (child.connected) child.send({ finish: true } satisfies ToClient);
        const [code] = child.exitCode === null ? await ended : [child.exitCode];
        if (code !== 0) throw new Error(`a client process ended with ${code}`);
      }),
    );
  }

  /** Ends the processes at once. */
  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}
