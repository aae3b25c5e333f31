// Waiting for what comes in its own time, also outside a test, where there is no expect.poll.
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL_MS = 20;

/** Resolves when the condition holds. @throws Error after `timeoutMs`, with the condition's source. */
export async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${holds}`);
    await sleep(INTERVAL_MS);
  }
}
