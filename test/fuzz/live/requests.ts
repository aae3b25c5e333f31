// A hostile client that has paired: any plaintext, sealed as it should be. Each gets a sealed response, and what runs
// upstream is the request that was sealed, once.
import {
  BhttpDecoder,
  type Bytes,
  decodeWhole,
  encodeRequest,
  isIdempotent,
  type RequestHead,
} from '@mte-relay/protocol';
import { withSentTime } from '@mte-relay/testing/sealed-client';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { canonicalTarget } from '../../../packages/server/src/http/target.ts';
import { bytesOf, cut, fromHex, texts } from '../engine/target.ts';
import { vectors } from '../targets/vectors.ts';
import { Lane } from './lane.ts';
import { checkBatch, type LiveLane, type LiveTarget } from './live-target.ts';
import { openReply, posted, type Sealed, Sessions, sealPieces } from './session.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const BATCH = 16;

/** A request of the usual form, for mutations of its fields. */
function usual(method: string, path: string, headers: [string, string][], content = ''): Bytes {
  return encodeRequest(
    { method, scheme: 'http', authority: 'relay.example', path, headers: withSentTime(headers) },
    bytesOf(content),
  );
}

const CORPUS: readonly Bytes[] = [
  usual('GET', ownPath('get'), []),
  usual(
    'POST',
    ownPath('post'),
    [
      ['content-type', 'text/plain'],
      ['content-length', '5'],
    ],
    'hello',
  ),
  usual(
    'PUT',
    ownPath('put?a=b'),
    [
      ['expect', '100-continue'],
      ['te', 'trailers'],
      ['trailer', 'x-sum'],
    ],
    'content',
  ),
  usual('DELETE', ownPath('delete'), [
    ['connection', 'x-a, te'],
    ['x-a', '1'],
    ['transfer-encoding', 'chunked'],
  ]),
  usual('OPTIONS', '*', [
    ['cookie', 'a=b; c=d'],
    ['host', 'other.example'],
  ]),
  usual('HEAD', ownPath('%7Ehead/..'), [
    ['range', 'bytes=0-1'],
    ['accept-encoding', 'gzip'],
  ]),
  usual('CONNECT', ownPath('connect'), [
    ['upgrade', 'websocket'],
    ['connection', 'upgrade'],
  ]),
  usual('PATCH', ownPath('patch;x'), [
    ['mte-relay-cookies', 'strict AaKuW6mEobt9dMGzROOh'],
    ['mte-relay-client-id', 'x'],
  ]),
  usual('TRACE', ownPath('trace'), [
    ['via', '1.1 mte-relay-00000000'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ]),
  usual('QUERY', ownPath('query'), [
    ['x-forwarded-for', '1.2.3.4'],
    ['__proto__', 'x'],
    ['proxy', 'http://evil'],
  ]),
  encodeRequest(
    {
      method: 'POST',
      scheme: 'https',
      authority: '',
      path: ownPath('trailed'),
      headers: withSentTime([['trailer', 'x-sum, host']]),
    },
    bytesOf('trailed content'),
    {
      trailers: [
        ['x-sum', '1'],
        ['host', 'evil'],
        ['content-length', '3'],
      ],
    },
  ),
  ...vectors('bhttp')
    .cases.filter(({ kind, encoded }) => kind === 'request' && encoded.length < 4000)
    .map(({ encoded }) => sentNow(fromHex(encoded))),
];

/** The same request with the time at which it is sealed. */
function sentNow(message: Bytes): Bytes {
  const { head, content, trailers } = decodeWhole<RequestHead>('request', message);
  return encodeRequest({ ...head, headers: withSentTime(head.headers) }, content, { trailers });
}

const DICTIONARY = texts(
  'GET',
  'POST',
  'PRI',
  'CONNECT',
  'relay.example',
  'http',
  'https',
  '/',
  '..',
  '%2e',
  '%2F',
  '?',
  '#',
  '*',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  '100-continue',
  'trailer',
  'te',
  'host',
  'cookie',
  'mte-relay-cookies',
  'chunked',
  'keep-alive',
  '\r\n',
  '\0',
  '\x80',
  '0',
  '18446744073709551616',
  '-1',
  'via',
);

class RequestLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  readonly #sessions: readonly Sessions[];
  readonly #lane: Lane;

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
    this.#sessions = [new Sessions(stage.port), new Sessions(stage.port, 1), new Sessions(stage.port, 3)];
    this.#lane = new Lane(stage.port);
  }

  async batch(): Promise<number> {
    const plaintexts = Array.from({ length: BATCH }, () => this.#plaintext());
    await this.#send(plaintexts);
    return BATCH;
  }

  async repeat(input: Uint8Array): Promise<void> {
    await this.#send([new Uint8Array(input)]);
  }

  close(): void {
    this.#lane.close();
  }

  #plaintext(): Bytes {
    const random = this.#random;
    if (random.below(30) === 0) return random.pick(CORPUS);
    const { message } = mutated(random, random.pick(CORPUS), CORPUS, DICTIONARY);
    return message.subarray(0, 60_000);
  }

  async #send(plaintexts: readonly Bytes[]): Promise<void> {
    const random = this.#random;
    const session = await random.pick(this.#sessions).current();
    for (const plaintext of plaintexts) this.#allow(plaintext);
    const sealed = plaintexts.map((plaintext) =>
      sealPieces(session, plaintext.length > 1 && random.below(4) === 0 ? cut(plaintext, random) : [plaintext]),
    );
    const fields = 'content-type: application/mte-relay\r\ncookie: mte-relay-jar=sx; a=b\r\n';
    const whole = Buffer.concat(sealed.map(({ bytes }) => posted(bytes, fields)));
    const batch = await this.#lane.exchange([whole], sealed.length);
    checkBatch(this.#stage, 'live requests', batch, plaintexts);
    for (const [at, { status, body }] of batch.replies.entries()) {
      if (status === 200) this.#check(sealed[at] as Sealed, body, plaintexts[at] as Bytes);
      else this.#stage.fail('live requests', `status ${status} for what was sealed`, plaintexts[at]);
    }
  }

  #check(sealed: Sealed, body: Buffer, plaintext: Bytes): void {
    try {
      const { head } = openReply(sealed, body);
      const code = head.headers.find(([name]) => name === 'mte-relay-failure')?.[1];
      if (code === 'upstream-timeout') throw new Error('the upstream was left waiting');
    } catch (error) {
      this.#stage.fail('live requests', `response: ${(error as Error).message}`, plaintext);
    }
  }

  /**
   * Allows what a decoder reads in the plaintext. A request whose fault is at its end may begin upstream, where the relay
   * cuts it off.
   */
  #allow(plaintext: Bytes): void {
    let head: RequestHead | undefined;
    const onHead = (given: RequestHead): void => {
      head = given;
    };
    const decoder = new BhttpDecoder<RequestHead>('request', {
      onHead,
      onContent: () => undefined,
      onEnd: () => undefined,
    });
    try {
      decoder.push(plaintext);
      decoder.end();
    } catch {
      // the relay refuses it too
    }
    const target = head && canonicalTarget(head.path);
    if (!head || target === undefined) return;
    this.#stage.allow(keyOf(head.method, target), isIdempotent(head.method) ? 2 : 1);
  }
}

export const requests: LiveTarget = {
  name: 'live requests',
  lanes: 3,
  begin: async (stage, random) => new RequestLane(stage, random),
};
