// One client's messages and cancels in any order, repeated and at once on one connection. No message runs twice, and none
// that a cancel reported as cancelled runs at all (SPEC §6, §7).
import { type Bytes, decodeCancelResult, encodeCancel, MESSAGE_TYPE_CANCEL } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { Lane, type Reply } from './lane.ts';
import { checkBatch, type LiveLane, type LiveTarget } from './live-target.ts';
import { openPlaintext, openReply, plainPost, posted, type Sealed, Sessions, sealPieces } from './session.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const MESSAGES = 5;
const STEPS = 14;
const NAME = 'live orders';

interface Numbered {
  readonly sealed: Sealed;
  readonly key: string;
  responses: number;
  cancelled: boolean;
}

type Step = { readonly message: Numbered } | { readonly cancels: Numbered; readonly cancel: Sealed };

let nextId = 0;

class OrderLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #sessions: Sessions;
  readonly #lanes: readonly [Lane, Lane];

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#sessions = new Sessions(stage.port);
    this.#lanes = [new Lane(stage.port), new Lane(stage.port)];
  }

  async batch(): Promise<number> {
    const random = this.#random;
    const session = await this.#sessions.current();
    const numbered = Array.from({ length: MESSAGES }, (): Numbered => {
      const path = ownPath(`order-${nextId}`);
      nextId += 1;
      const key = keyOf('POST', path);
      this.#stage.allow(key);
      return {
        sealed: sealPieces(session, [plainPost(session, path)]),
        key,
        responses: 0,
        cancelled: false,
      };
    });
    const steps = Array.from({ length: STEPS }, (): Step => {
      const message = random.pick(numbered);
      if (random.below(2) === 0) return { message };
      return { cancels: message, cancel: sealPieces(session, [this.#plaintext(message)], MESSAGE_TYPE_CANCEL) };
    });
    const half = steps.length >> 1;
    await Promise.all([
      this.#send(this.#lanes[0], steps.slice(0, half)),
      this.#send(this.#lanes[1], steps.slice(half)),
    ]);
    for (const { cancelled, key } of numbered) if (!cancelled) this.#stage.forbid(key);
    return STEPS;
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }

  #plaintext({ sealed }: Numbered): Bytes {
    return encodeCancel(sealed.n);
  }

  async #send(lane: Lane, steps: readonly Step[]): Promise<void> {
    const inputs = steps.map((step) => ('message' in step ? step.message.sealed : step.cancel).bytes);
    const batch = await lane.exchange([Buffer.concat(inputs.map((bytes) => posted(bytes)))], steps.length);
    checkBatch(this.#stage, NAME, batch, inputs);
    if (batch.replies.length < steps.length && !batch.isHung) this.#stage.fail(NAME, 'a connection closed early');
    for (const [at, reply] of batch.replies.entries()) {
      try {
        this.#check(steps[at] as Step, reply);
      } catch (error) {
        this.#stage.fail(NAME, (error as Error).message, inputs[at]);
      }
    }
  }

  #check(step: Step, { status, body }: Reply): void {
    if ('message' in step) {
      if (status === 409) return;
      if (status !== 200) throw new Error(`status ${status}`);
      openReply(step.message.sealed, body);
      step.message.responses += 1;
      if (step.message.responses > 1) throw new Error('two responses of one message');
      if (step.message.cancelled) throw new Error('a cancelled message has a response');
      return;
    }
    if (status !== 200) throw new Error(`status ${status} of a cancel`);
    const { cancels } = step;
    if (!decodeCancelResult(openPlaintext(step.cancel, body), cancels.sealed.n)) return;
    if (cancels.cancelled) throw new Error('a message was cancelled twice');
    if (!this.#stage.isLeft(cancels.key)) throw new Error('a message ran and was cancelled');
    cancels.cancelled = true;
    this.#stage.forbid(cancels.key);
  }
}

export const orders: LiveTarget = {
  name: NAME,
  lanes: 1,
  begin: async (stage, random) => new OrderLane(stage, random),
};
