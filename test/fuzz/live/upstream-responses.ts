// A hostile upstream: any bytes in place of a response, to sealed and to unsealed requests. The client gets a sealed
// response, or the connection closes; other exchanges do not notice.
import type { Bytes } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { texts } from '../engine/target.ts';
import { Lane } from './lane.ts';
import type { LiveLane, LiveTarget } from './live-target.ts';
import { openReply, plainPost, posted, type Sealed, Sessions, sealPieces } from './session.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const NAME = 'live upstream';
const BATCH = 6;

const CORPUS: readonly Bytes[] = texts(
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-a\r\n\r\n5\r\nhello\r\n0\r\nx-a: b\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nset-cookie: a=b; Path=/\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nset-cookie: sid=x; HttpOnly; Secure; SameSite=None\r\nset-cookie: b\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 9\r\n\r\n',
  'HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/marked-path\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x02hi',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged',
  'HTTP/1.1 999 Odd\r\nmte-relay-failure: x\r\nconnection: close, x-a\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 500 \xff\xfe\r\nx-\xe9: \xe9\r\ncontent-length: 1\r\n\r\nx',
  `HTTP/1.1 200 OK\r\nx-long: ${'y'.repeat(12_000)}\r\ncontent-length: 0\r\n\r\n`,
  `HTTP/1.1 200 OK\r\n${'set-cookie: a=b; Path=/; Max-Age=60\r\n'.repeat(100)}content-length: 0\r\n\r\n`,
);

const DICTIONARY = texts(
  '\r\n',
  '\n',
  '\0',
  'HTTP/1.1 ',
  '200',
  '100',
  '099',
  '600',
  'content-length: ',
  'transfer-encoding: chunked',
  'chunked',
  '0\r\n\r\n',
  'ffffffff\r\n',
  '-1',
  'connection: close',
  'set-cookie: ',
  '; Domain=co.uk',
  'location: ',
  '//',
  '\xc3\xa9',
  'content-encoding: gzip',
  'clear-site-data: "cookies"',
  'mte-relay-set-cookies: *',
  'via: ',
  'x'.repeat(20_000),
);

let nextId = 0;

class UpstreamLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #sessions: readonly Sessions[];
  readonly #lanes: readonly Lane[];

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#sessions = [new Sessions(stage.port), new Sessions(stage.port, 3)];
    this.#lanes = Array.from({ length: BATCH }, () => new Lane(stage.port));
  }

  async batch(): Promise<number> {
    await Promise.all(this.#lanes.map((lane) => this.#one(lane, this.#bytes())));
    return BATCH;
  }

  async repeat(input: Uint8Array): Promise<void> {
    await this.#one(this.#lanes[0] as Lane, new Uint8Array(input));
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }

  #bytes(): Bytes {
    const random = this.#random;
    return mutated(random, random.pick(CORPUS), CORPUS, DICTIONARY).message;
  }

  async #one(lane: Lane, raw: Bytes): Promise<void> {
    const random = this.#random;
    const isSealed = random.below(4) > 0;
    const path = isSealed ? ownPath(`raw-${nextId}`) : `/open/raw-${nextId}`;
    nextId += 1;
    const key = keyOf('POST', path);
    this.#stage.allow(key);
    this.#stage.rawResponses.set(key, raw);
    const sealed = isSealed ? await this.#sealed(path) : undefined;
    const request = sealed
      ? posted(sealed.bytes)
      : Buffer.from(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n`);
    const batch = await lane.exchange([request], 1);
    this.#stage.rawResponses.delete(key);
    if (batch.isHung) this.#stage.fail(NAME, 'neither a response nor the end of the connection', raw);
    if (batch.fault !== undefined) this.#stage.fail(NAME, batch.fault, raw);
    const [reply] = batch.replies;
    if (!sealed || !reply) return;
    try {
      if (reply.status !== 200) throw new Error(`status ${reply.status} outside of the seal`);
      const { status } = openReply(sealed, reply.body).head;
      if (status < 200 || status > 599) throw new Error(`status ${status}`);
    } catch (error) {
      this.#stage.fail(NAME, (error as Error).message, raw);
    }
  }

  async #sealed(path: string): Promise<Sealed> {
    const session = await this.#random.pick(this.#sessions).current();
    return sealPieces(session, [plainPost(session, path)]);
  }
}

export const upstreamResponses: LiveTarget = {
  name: NAME,
  lanes: 1,
  begin: async (stage, random) => new UpstreamLane(stage, random),
};
