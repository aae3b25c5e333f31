// A client that behaves well, throughout: each of its requests gets its own response, whole and right.
import type { Bytes } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { Lane } from './lane.ts';
import type { LiveLane, LiveTarget } from './live-target.ts';
import { openReply, plainPost, posted, Sessions, sealPieces } from './session.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const NAME = 'live control';
const BODY_MAX_BYTES = 3000;

let nextId = 0;

class ControlLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #sessions: Sessions;
  readonly #lane: Lane;

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#sessions = new Sessions(stage.port);
    this.#lane = new Lane(stage.port);
  }

  async batch(): Promise<number> {
    const session = await this.#sessions.current();
    const path = ownPath(`control-${nextId}`);
    nextId += 1;
    const key = keyOf('POST', path);
    const body: Bytes = this.#random.bytes(this.#random.below(BODY_MAX_BYTES));
    const sealed = sealPieces(session, [plainPost(session, path, body)]);
    this.#stage.allow(key);
    const { replies, isHung, fault } = await this.#lane.exchange([posted(sealed.bytes)], 1);
    const [reply] = replies;
    try {
      if (!reply) throw new Error(isHung ? 'no response in time' : (fault ?? 'the connection closed'));
      if (reply.status !== 200) throw new Error(`status ${reply.status}: ${reply.body.toString('latin1', 0, 200)}`);
      const opened = openReply(sealed, reply.body);
      if (opened.head.status !== 200) throw new Error(`inner status ${opened.head.status}`);
      if (Buffer.compare(opened.body, body) !== 0) throw new Error('the body of another');
      if (this.#stage.isLeft(key)) throw new Error('a response without a run');
    } catch (error) {
      this.#stage.fail(NAME, (error as Error).message, body);
    }
    return 1;
  }

  close(): void {
    this.#lane.close();
  }
}

export const control: LiveTarget = {
  name: NAME,
  lanes: 2,
  begin: async (stage, random) => new ControlLane(stage, random),
};
