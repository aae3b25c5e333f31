// What a live target is: a way of being hostile to a relay that runs.
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import type { Batch } from './lane.ts';
import type { LiveStage } from './stage.ts';

/** One kind of hostility. */
export interface LiveTarget {
  readonly name: string;
  /** Lanes that run it at once: more for the kinds that matter most. */
  readonly lanes: number;
  /** Begins a lane. */
  begin(stage: LiveStage, random: SeededRandom): Promise<LiveLane>;
}

/** One lane. */
export interface LiveLane {
  /** Sends some messages, and waits for what comes of them. @returns their number */
  batch(): Promise<number>;
  /** Gives a saved input to the relay, for targets whose inputs do not depend on a session. */
  repeat?(input: Uint8Array): Promise<void>;
  close(): void;
}

/** Statuses of a refusal on the outer hop that a client may cause (SPEC §8.1). */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 426, 429, 431]);

/** Checks what holds for the responses to any batch. @param inputs of the requests, in order */
export function checkBatch(stage: LiveStage, target: string, batch: Batch, inputs: readonly Uint8Array[]): void {
  const next = inputs[batch.replies.length] ?? new Uint8Array(0);
  if (batch.isHung) stage.fail(target, 'neither a response nor the end of the connection', next);
  if (batch.fault !== undefined) stage.fail(target, batch.fault, next);
  for (const [at, { status, body }] of batch.replies.entries()) {
    if (status < 400 || REFUSALS.has(status)) continue;
    stage.fail(target, `status ${status}: ${body.toString('latin1', 0, 300)}`, inputs[at]);
  }
}
