// Hostile bytes on the public port: mutated HTTP of every route, requests inside requests, and heads that are cut off. The
// relay responds in HTTP or closes, and nothing but the pass-through route reaches the upstream.
import type { Bytes } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { cut, texts } from '../engine/target.ts';
import { Lane } from './lane.ts';
import type { LiveLane, LiveTarget } from './live-target.ts';
import type { LiveStage } from './stage.ts';

const NAME = 'live http';
/** Connections at once. */
const BATCH = 12;

const SMUGGLED = 'POST /marked-path/smuggled HTTP/1.1\r\nhost: relay.example\r\ncontent-length: 0\r\n\r\n';

const CORPUS: readonly Bytes[] = texts(
  'GET /api/mte-relay HTTP/1.1\r\nhost: relay.example\r\n\r\n',
  'GET /api/mte-echo?msg=test HTTP/1.1\r\nhost: relay.example\r\n\r\n',
  'OPTIONS /api/mte HTTP/1.1\r\nhost: relay.example\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\n\r\n',
  'POST /api/mte HTTP/1.1\r\nhost: relay.example\r\ncontent-type: application/mte-relay\r\ncontent-length: 5\r\n\r\n\x01\x01abc',
  'POST /api/mte-pair HTTP/1.1\r\nhost: relay.example\r\ncontent-type: application/mte-relay-pairing\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n',
  'GET /open/a?b HTTP/1.1\r\nhost: relay.example\r\ncookie: a=b; mte-relay-jar=x\r\nx-forwarded-for: 1.2.3.4\r\n\r\n',
  'POST /open/b HTTP/1.1\r\nhost: relay.example\r\ncontent-length: 7\r\nexpect: 100-continue\r\n\r\ncontent',
  'POST /open/c HTTP/1.1\r\nhost: relay.example\r\ntransfer-encoding: chunked\r\ntrailer: x-a\r\n\r\n7\r\ncontent\r\n0\r\nx-a: b\r\n\r\n',
  `POST /open/d HTTP/1.1\r\nhost: relay.example\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST /open/e HTTP/1.1\r\nhost: relay.example\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `GET /open/f HTTP/1.1\r\nhost: relay.example\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n${SMUGGLED}`,
  'GET /api/mte-ws HTTP/1.1\r\nhost: relay.example\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: mte-relay.1\r\n\r\n\x82\x85aaaabbbbb',
  'GET /public/mte-relay-client.js HTTP/1.1\r\nhost: relay.example\r\nif-none-match: "x"\r\nrange: bytes=0-1\r\n\r\n',
  'CONNECT open:80 HTTP/1.1\r\nhost: open:80\r\n\r\n',
  'GET http://relay.example/open/g HTTP/1.1\r\nhost: other.example\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET /open/../marked-path/x HTTP/1.0\r\n\r\n',
  'HEAD /open/%2e%2e/marked-path HTTP/1.1\r\nhost:\r\nconnection: close, x-a\r\nx-a: 1\r\n\r\n',
  '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
);

const DICTIONARY = texts(
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  '\0',
  'HTTP/1.1',
  'HTTP/1.0',
  'GET ',
  'POST ',
  'TRACE ',
  'QUERY ',
  'content-length: ',
  'transfer-encoding: chunked',
  'transfer-encoding: identity, chunked',
  'Transfer-Encoding : chunked',
  'connection: close',
  'connection: upgrade',
  'upgrade: h2c',
  'expect: x',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '+5',
  '0x5',
  '/open/',
  '/../',
  '%2e%2e',
  '//',
  '\\',
  '?',
  '#',
  'host: a\r\nhost: b',
  SMUGGLED,
  'x-request-id: a',
  'via: ',
  'origin: null',
  'x'.repeat(9000),
  `${'a: b\r\n'.repeat(300)}`,
  ';a=b',
  ' chunked',
  'sec-websocket-extensions: permessage-deflate; x=',
);

class RawLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
  }

  async batch(): Promise<number> {
    await Promise.all(Array.from({ length: BATCH }, () => this.#one(this.#bytes())));
    return BATCH;
  }

  async repeat(input: Uint8Array): Promise<void> {
    await this.#one(new Uint8Array(input));
  }

  close(): void {}

  #bytes(): Bytes {
    const random = this.#random;
    const { message } = mutated(random, random.pick(CORPUS), CORPUS, DICTIONARY);
    return random.below(3) === 0 ? new Uint8Array(Buffer.concat([message, random.pick(CORPUS)])) : message;
  }

  /** One connection, which the client half-closes unless it leaves the relay waiting, which is seldom. */
  async #one(bytes: Bytes): Promise<void> {
    const random = this.#random;
    const lane = new Lane(this.#stage.port, true);
    const waits = random.below(200) === 0;
    const pieces = random.below(6) === 0 ? cut(bytes, random) : [bytes];
    const batch = await lane.exchange(pieces, 1, !waits);
    lane.close();
    if (batch.isHung) this.#stage.fail(NAME, 'neither a response nor the end of the connection', bytes);
    if (batch.fault !== undefined) this.#stage.fail(NAME, batch.fault, bytes);
    const [reply] = batch.replies;
    if (reply && /"code":"internal"/.test(reply.body.toString('latin1'))) this.#stage.fail(NAME, reply.head, bytes);
  }
}

export const rawHttp: LiveTarget = { name: NAME, lanes: 1, begin: async (stage, random) => new RawLane(stage, random) };
