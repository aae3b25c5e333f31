// Sealed WebSockets (SPEC §13): openings, responses, frames, the content of frames; and the replay window (§6).
import {
  type Bytes,
  encodeFrame,
  FrameOpener,
  FrameReader,
  parseWebSocketHeader,
  ReplayWindow,
  SealedWebSocket,
  WebSocketAcceptor,
  webSocketRequestKey,
} from '@mte-relay/protocol';
import { nodeSuite, xwingKeyPairFromSeed } from '@mte-relay/protocol/node';
import { withRandomness } from '../../../conformance/run/fixed-suite.ts';
import { Window } from '../../../conformance/twin/replay-window.ts';
import * as twin from '../../../conformance/twin/websocket.ts';
import { fromHex, holds, outcomeOf, parsed, parsedLater, same, type Target, texts } from '../engine/target.ts';
import { vectors } from './vectors.ts';

const suite = nodeSuite();
const { session, cases } = vectors('websocket');
const first = cases[0] as (typeof cases)[number];
const requestSecretBytes = fromHex(session.requestSecret);
const responseSecretBytes = fromHex(session.responseSecret);
const keys = {
  sid: fromHex(session.sid),
  requestSecret: suite.importExpandKey(requestSecretBytes),
  responseSecret: suite.importExpandKey(responseSecretBytes),
};
const TWIN_ONE_IN = 16;

const openings = cases.map(({ opening }) => fromHex(opening));

const opening: Target = {
  name: 'websocket opening',
  corpus: openings,
  dictionary: texts('\x01\x03', '\0', '\x01'),
  check(input, choices) {
    const opened = parsed(() => {
      const header = parseWebSocketHeader(input);
      return new WebSocketAcceptor(keys.requestSecret, keys.responseSecret, header).openRequest(input);
    });
    if (opened.code === undefined) {
      holds(
        openings.some((one) => Buffer.compare(one, input) === 0),
        'only an unchanged opening opens',
      );
    }
    if (choices.below(TWIN_ONE_IN) === 0) {
      same(
        opened,
        parsed(() => twin.openOpening(requestSecretBytes, input)),
        'acceptor and twin agree',
      );
    }
    return outcomeOf(opened);
  },
};

const provider = { suite, keyPair: xwingKeyPairFromSeed };
const client = new SealedWebSocket(withRandomness(provider, { bytes: [fromHex(first.nonce)] }), keys, first.n);
const firstResponse = new Uint8Array(
  twin.sealedResponse(
    responseSecretBytes,
    fromHex(first.header),
    fromHex(first.responseNonce),
    fromHex(first.response as string),
  ),
);

const response: Target = {
  name: 'websocket response',
  corpus: [firstResponse],
  dictionary: texts('\0'),
  async check(input, choices) {
    const opened = await parsedLater(async () => (await client.openResponse(input)).response);
    holds(opened.code !== undefined || Buffer.compare(input, firstResponse) === 0, 'only its response opens');
    if (choices.below(TWIN_ONE_IN) === 0) {
      const expected = parsed(() => twin.openResponse(responseSecretBytes, fromHex(first.header), input));
      same(opened, expected, 'client and twin agree');
    }
    return outcomeOf(opened);
  },
};

const frameAead = webSocketRequestKey(keys.requestSecret, fromHex(first.header), fromHex(first.responseNonce));
const sealedFrames = first.clientFrames.map(({ sealed }) => fromHex(sealed as string));

/** The first frame is the input, then come the true ones. */
const frame: Target = {
  name: 'websocket frame',
  corpus: sealedFrames,
  check(input) {
    const opener = new FrameOpener(frameAead);
    const opened = parsed(() => opener.open(input));
    const isFirst = Buffer.compare(sealedFrames[0] as Bytes, input) === 0;
    holds((opened.code === undefined) === isFirst, 'only the next frame opens');
    return outcomeOf(opened);
  },
};

/** Plaintexts with a length of one byte before each, or of two after 0xFF. */
function plaintextsIn(input: Bytes): Bytes[] {
  const found: Bytes[] = [];
  for (let at = 0; at < input.length && found.length < 40; ) {
    const length = input[at] as number;
    const size = length === 255 ? ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0) : length;
    at += length === 255 ? 3 : 1;
    found.push(input.slice(at, at + size));
    at += size;
  }
  return found;
}

const content: Target = {
  name: 'websocket content',
  corpus: texts(
    '\x03\x81hi',
    '\x02\x01h\x02\x80i\x01\x88',
    '\x02\x01h\x05\x89ping\x02\x80i',
    '\x03\x88\x03\xe8',
    '\x09\x88\x0b\xb8reason',
    '\x01\x8a\x01\x82\x01\x00',
    `\xff\x00\x80\x89${'x'.repeat(130)}`,
  ),
  dictionary: texts(
    '\x01\x88',
    '\x03\x88\x03\xe8',
    '\x02\x01a',
    '\x02\x80b',
    '\x01\x80',
    '\xc3',
    '\xed\xa0\x80',
    '\xf4\x90',
  ),
  check(input) {
    const plaintexts = plaintextsIn(input);
    const read = parsed(() => {
      const reader = new FrameReader();
      return plaintexts.map((plaintext) => reader.read(plaintext));
    });
    const expected = parsed(() => twin.readFrames(plaintexts));
    same(read.code, expected.code, 'reader and twin agree');
    if (read.code === undefined) {
      same(
        read.value.map((one) => encodeFrame(one)),
        plaintexts,
        'encoded again, frames are the same',
      );
    }
    return (
      read.code ??
      read.value
        .map(({ kind }) => kind.slice(0, 2))
        .slice(0, 3)
        .join(' ')
    );
  },
};

/** Each byte moves the next number a little, or much. */
function numbersIn(input: Bytes): number[] {
  let n = 0;
  return [...input].map((byte, at) => {
    if (byte < 128) n += byte - 40;
    else if (byte < 192) n += (byte - 160) * 40;
    else if (byte < 254) n = (byte - 192) * 32 + at;
    else n = byte === 254 ? 2 ** 53 - 1 : n * 2;
    n = Math.min(Math.max(n, 0), 2 ** 53 - 1);
    return n;
  });
}

const replay: Target = {
  name: 'replay window',
  corpus: texts(
    '))))))))',
    '(((())))',
    '\x40\xb9\x40\x10\x20',
    '\xfe\xfe\x00\xff',
    '\xc0\xd0\xe0\xf0\xc0',
    '\x50'.repeat(90),
  ),
  maxBytes: 1200,
  check(input) {
    const window = new ReplayWindow();
    const model = new Window();
    const claims = new Set<string>();
    for (const n of numbersIn(input)) {
      const claim = window.claim(n);
      same(claim, model.claim(n), `claim of ${n}: window and twin agree`);
      claims.add(claim);
    }
    return [...claims].sort().join(' ');
  },
};

export const WEBSOCKET_TARGETS: readonly Target[] = [opening, response, frame, content, replay];
