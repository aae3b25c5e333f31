// Mutated pairing requests. Only an unchanged one gets a reply that opens.
import type { Bytes } from '@mte-relay/protocol';
import { beginPairing } from '@mte-relay/testing/sealed-client';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { Lane } from './lane.ts';
import { checkBatch, type LiveLane, type LiveTarget } from './live-target.ts';
import { posted } from './session.ts';
import type { LiveStage } from './stage.ts';

const NAME = 'live pairings';
const BATCH = 8;
const FIELDS = 'content-type: application/mte-relay-pairing\r\n';

class PairingLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #lane: Lane;
  #valid: Bytes[] = [];

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#lane = new Lane(stage.port);
  }

  async batch(): Promise<number> {
    const attempt = await beginPairing(this.#stage.port, { flags: this.#random.below(4) });
    this.#valid = [...this.#valid.slice(-7), attempt.message];
    const others = this.#valid;
    const changed = Array.from(
      { length: BATCH },
      () => mutated(this.#random, this.#random.pick(others), others).message,
    );
    const inputs = [attempt.message, ...changed];
    const http = Buffer.concat(inputs.map((bytes) => posted(bytes, FIELDS, '/api/mte-pair')));
    const batch = await this.#lane.exchange([http], inputs.length);
    checkBatch(this.#stage, NAME, batch, inputs);
    for (const [at, { status }] of batch.replies.entries()) {
      const input = inputs[at] as Bytes;
      const isValid = others.some((one) => Buffer.compare(one, input) === 0);
      if ((status === 200) !== isValid) this.#stage.fail(NAME, `status ${status}, valid: ${isValid}`, input);
    }
    const [first] = batch.replies;
    if (first?.status === 200) await attempt.finish(new Uint8Array(first.body));
    return inputs.length;
  }

  close(): void {
    this.#lane.close();
  }
}

export const pairings: LiveTarget = {
  name: NAME,
  lanes: 1,
  begin: async (stage, random) => new PairingLane(stage, random),
};
