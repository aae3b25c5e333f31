// Sealed messages that are changed on the way, as by an intermediary: bits, cuts, lengths, parts of other messages and
// sessions, other numbers, replays, other content types, chunked coding. None but an unchanged one may run.
import type { Bytes } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { cut } from '../engine/target.ts';
import { Lane } from './lane.ts';
import { checkBatch, type LiveLane, type LiveTarget } from './live-target.ts';
import { openReply, plainPost, posted, postedInPieces, type Sealed, Sessions, sealPieces } from './session.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const BATCH = 24;
const RECENT_MAX = 64;
const CONTENT_TYPES = [
  '',
  'content-type: application/json\r\n',
  'content-type: application/mte-relay; a=b\r\n',
  'content-type: application/mte-relay-pairing\r\n',
  'content-type: text/plain\r\ncontent-type: application/mte-relay\r\n',
];

let nextId = 0;

interface Fresh {
  readonly sealed: Sealed;
  readonly path: string;
}

/** A request of its own, sealed in one to three chunks. */
function freshMessage(session: Sealed['session'], random: SeededRandom): Fresh {
  const path = ownPath(nextId);
  nextId += 1;
  const plaintext = plainPost(session, path, random.bytes(random.below(60)));
  const pieces = random.below(3) === 0 ? threePieces(plaintext, random) : [plaintext];
  return { sealed: sealPieces(session, pieces), path };
}

function threePieces(plaintext: Bytes, random: SeededRandom): Bytes[] {
  const one = 1 + random.below(plaintext.length - 2);
  const two = one + 1 + random.below(plaintext.length - one - 1);
  return [plaintext.subarray(0, one), plaintext.subarray(one, two), plaintext.subarray(two)];
}

/** How one request is sent, and what may come of it. */
interface Sent {
  readonly http: Buffer;
  readonly input: Uint8Array;
  /** Set if the message is unchanged and must run, once. */
  readonly runs?: Fresh;
}

class MessageLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #sessions: readonly Sessions[];
  readonly #lane: Lane;
  #recent: Bytes[] = [];

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#sessions = [new Sessions(stage.port), new Sessions(stage.port, 3)];
    this.#lane = new Lane(stage.port);
  }

  async batch(): Promise<number> {
    const sent: Sent[] = [];
    for (let i = 0; i < BATCH; i += 1) sent.push(await this.#next());
    const whole = Buffer.concat(sent.map(({ http }) => http));
    const pieces = this.#random.below(8) === 0 ? cut(new Uint8Array(whole), this.#random) : [whole];
    const batch = await this.#lane.exchange(pieces, BATCH);
    checkBatch(
      this.#stage,
      'live messages',
      batch,
      sent.map(({ input }) => input),
    );
    for (const [at, reply] of batch.replies.entries()) {
      const { runs, input } = sent[at] as Sent;
      if (runs) {
        this.#checkRun(runs, reply.status, reply.body, input);
        // From now on it is a replay. One whose connection closed too early may not have arrived.
        this.#recent.push(runs.sealed.bytes);
        if (this.#recent.length > RECENT_MAX) this.#recent = this.#recent.slice(RECENT_MAX / 2);
      }
      if (!runs && reply.status === 200) this.#stage.fail('live messages', 'a changed or repeated message ran', input);
    }
    return sent.length;
  }

  close(): void {
    this.#lane.close();
  }

  #checkRun({ sealed, path }: NonNullable<Sent['runs']>, status: number, body: Buffer, input: Uint8Array): void {
    try {
      if (status !== 200) throw new Error(`status ${status}: ${body.toString('latin1', 0, 200)}`);
      const opened = openReply(sealed, body);
      const key = opened.head.headers.find(([name]) => name === 'x-key')?.[1];
      if (key !== Buffer.from(keyOf('POST', path)).toString('hex'))
        throw new Error(`status ${opened.head.status}, response of ${key}`);
    } catch (error) {
      this.#stage.fail('live messages', `an unchanged message: ${(error as Error).message}`, input);
    }
  }

  async #next(): Promise<Sent> {
    const random = this.#random;
    const session = await random.pick(this.#sessions).current();
    const fresh = freshMessage(session, random);
    const { bytes } = fresh.sealed;
    const kind = random.below(20);
    if (kind <= 1) return this.#unchanged(fresh, kind === 0 ? posted(bytes) : postedInPieces(cut(bytes, random)));
    if (kind === 2) return { http: posted(bytes, random.pick(CONTENT_TYPES)), input: bytes };
    if (kind === 3 && this.#recent.length > 0) {
      const replayed = random.pick(this.#recent);
      return { http: posted(replayed), input: replayed };
    }
    if (kind === 4) return this.#inOtherSession(bytes);
    const { message } = mutated(random, bytes, this.#recent.length > 0 ? this.#recent : [bytes]);
    if (Buffer.compare(message, bytes) === 0) return this.#unchanged(fresh, posted(bytes));
    return { http: posted(message), input: message };
  }

  #unchanged(fresh: Fresh, http: Buffer): Sent {
    const { bytes } = fresh.sealed;
    this.#stage.allow(keyOf('POST', fresh.path));
    return { http, input: bytes, runs: fresh };
  }

  /** The same bytes with the id of another session, or another number, type or nonce. */
  async #inOtherSession(bytes: Bytes): Promise<Sent> {
    const random = this.#random;
    const changed = new Uint8Array(bytes);
    const other = (await (this.#sessions[random.below(2)] as Sessions).current()).keys.sid;
    const kind = random.below(4);
    if (kind === 0) changed.set(Buffer.compare(other, bytes.subarray(2, 18)) === 0 ? random.bytes(16) : other, 2);
    else if (kind === 1) changed[25] = (changed[25] as number) ^ (1 + random.below(255));
    else if (kind === 2) changed[1] = random.pick([0, 2, 3, 4, 255]);
    else changed.set(random.bytes(16), 26);
    return { http: posted(changed), input: changed };
  }
}

export const messages: LiveTarget = {
  name: 'live messages',
  lanes: 8,
  begin: async (stage, random) => new MessageLane(stage, random),
};
