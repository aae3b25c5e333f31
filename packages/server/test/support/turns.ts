// Waiting by turns of the event loop, in which relay, upstream and client of a test all run: a busy machine changes nothing,
// and what never comes is not waited for long.
import { setTimeout as delay } from 'node:timers/promises';

const TURN_MS = 3;
const TURNS_MAX = 15;

/** Whether something becomes so within a few turns. */
export async function withinTurns(isSo: () => boolean | undefined | Promise<boolean>): Promise<boolean> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    if (await isSo()) return true;
    await delay(TURN_MS);
  }
  return false;
}

/** As many turns as it takes until both sides of each hop have read what was written. */
export async function severalTurns(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await delay(TURN_MS);
}
