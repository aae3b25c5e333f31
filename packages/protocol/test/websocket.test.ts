// A sealed WebSocket without a socket: its opening, its keys, its frames, and what is refused of each.
import { describe, expect, test } from 'vitest';
import { CHUNK_PLAINTEXT_MAX_BYTES, MESSAGE_TYPE_WEBSOCKET, WEBSOCKET_FRAME_DATA_MAX_BYTES } from '../src/constants.ts';
import { parseMessageHeader, SealedExchange } from '../src/message.ts';
import {
  encodeFrame,
  FrameReader,
  framesOf,
  isCloseCode,
  parseWebSocketHeader,
  SealedWebSocket,
  WEBSOCKET_OUTER_MESSAGE_MAX_BYTES,
  WebSocketAcceptor,
  type WebSocketFrame,
  type WebSocketKeys,
} from '../src/websocket.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { ascii, flipBit, patternBytes, toHex } from './support/bytes.ts';
import { expectRefusal, refusalOf } from './support/refusal.ts';
import { identityFrom, pair, type Session } from './support/sessions.ts';
import { noble, node, suites } from './support/suites.ts';

const identity = await identityFrom(0x21);
const session = await pair(identity);
const none: Bytes = new Uint8Array(0);

/** Both sides of an open WebSocket. */
async function opened(
  paired: Session = session,
  n = 0,
  clientSuite = suites[2] as (typeof suites)[number],
  relaySuite = node,
): Promise<{ client: WebSocketKeys; relay: WebSocketKeys; opening: Bytes; response: Bytes; socket: SealedWebSocket }> {
  const socket = new SealedWebSocket(clientSuite, paired.client, n);
  const opening = await socket.sealRequest(ascii('request'));
  const acceptor = acceptorOf(paired, opening);
  expect(toHex(acceptor.openRequest(opening))).toBe(toHex(ascii('request')));
  const { message, ...relay } = acceptor.respond(relaySuite, ascii('response'));
  const { response, ...client } = await socket.openResponse(message);
  expect(toHex(response)).toBe(toHex(ascii('response')));
  return { client, relay, opening, response: message, socket };
}

function acceptorOf({ relay }: Session, opening: Bytes): WebSocketAcceptor {
  return new WebSocketAcceptor(relay.requestSecret, relay.responseSecret, parseWebSocketHeader(opening));
}

describe('an open WebSocket', () => {
  for (const clientSuite of suites) {
    for (const relaySuite of [noble, node]) {
      test(`${clientSuite.name} client, ${relaySuite.name} relay: frames open in order, both ways`, async () => {
        const { client, relay } = await opened(
          await pair(identity, 3, clientSuite, relaySuite),
          0,
          clientSuite,
          relaySuite,
        );
        for (const bytes of [0, 1, 65_536]) {
          const frame = patternBytes(bytes);
          expect(toHex(await relay.opener.open(await client.sealer.seal(frame)))).toBe(toHex(frame));
          expect(toHex(await client.opener.open(await relay.sealer.seal(frame)))).toBe(toHex(frame));
        }
      });
    }
  }

  test('a frame that is lost, repeated, reordered, reflected, cut or changed does not open', async () => {
    const cases: Record<string, (keys: Awaited<ReturnType<typeof opened>>) => Promise<Bytes>> = {
      lost: async ({ client }) => {
        await client.sealer.seal(ascii('0'));
        return client.sealer.seal(ascii('1'));
      },
      repeated: async ({ client, relay }) => {
        const frame = await client.sealer.seal(ascii('0'));
        await relay.opener.open(frame);
        return frame;
      },
      reflected: async ({ relay }) => relay.sealer.seal(ascii('0')),
      cut: async ({ client }) => (await client.sealer.seal(ascii('0'))).subarray(0, -1),
      'cut below a tag': async ({ client }) => (await client.sealer.seal(none)).subarray(0, 15),
      empty: async () => none,
    };
    for (const [name, make] of Object.entries(cases)) {
      const keys = await opened();
      const frame = await make(keys);
      await expectRefusal('unopenable', () => keys.relay.opener.open(frame), name);
    }
  });

  test('no bit of a frame can be changed', async () => {
    const { client } = await opened();
    const frame = await client.sealer.seal(ascii('pay 1'));
    for (let at = 0; at < frame.length; at += 1) {
      const { relay } = await opened();
      await expectRefusal('unopenable', () => relay.opener.open(flipBit(frame, at, at % 8)), `byte ${at}`);
    }
  });

  test('a ciphertext longer than any frame is refused by its length', async () => {
    const { relay } = await opened();
    await expectRefusal('too-large', () => relay.opener.open(patternBytes(CHUNK_PLAINTEXT_MAX_BYTES + 17)));
  });

  test('frames recorded of one WebSocket open in no second one, even for the same opening message', async () => {
    const { client, opening } = await opened();
    const frame = await client.sealer.seal(ascii('pay 1'));
    // A relay whose claim of the number was lost accepts the replayed opening again, with another nonce.
    const again = acceptorOf(session, opening).respond(node, ascii('response'));
    await expectRefusal('unopenable', () => again.opener.open(frame));
  });

  test('frames of another WebSocket of the session do not open', async () => {
    const one = await opened(session, 1);
    const other = await opened(session, 2);
    const frame = await one.client.sealer.seal(ascii('x'));
    await expectRefusal('unopenable', () => other.relay.opener.open(frame));
  });
});

describe('the opening', () => {
  test('every byte of the opening message and of its response is bound', async () => {
    const { opening, response, socket } = await opened();
    for (let at = 0; at < opening.length; at += 1) {
      const changed = flipBit(opening, at, at % 8);
      const seen = await refusalOf(() => acceptorOf(session, changed).openRequest(changed));
      expect(['unopenable', 'malformed', 'version-unsupported'], `byte ${at}`).toContain(seen);
    }
    for (let at = 0; at < response.length; at += 1) {
      const seen = await refusalOf(() => socket.openResponse(flipBit(response, at, at % 8)));
      expect(['unopenable', 'malformed'], `byte ${at}`).toContain(seen);
    }
  });

  test('cut anywhere it is refused', async () => {
    const { opening, response, socket } = await opened();
    for (let length = 0; length < opening.length; length += 1) {
      const cut = opening.slice(0, length);
      const seen = await refusalOf(() => acceptorOf(session, cut).openRequest(cut));
      expect(seen, `${length} bytes`).toBe(length <= 42 ? 'truncated' : 'unopenable');
    }
    for (let length = 0; length < response.length; length += 1) {
      const seen = await refusalOf(() => socket.openResponse(response.slice(0, length)));
      expect(seen, `${length} bytes`).toBe(length <= 16 ? 'truncated' : 'unopenable');
    }
  });

  test('holds the largest request a chunk can hold, and no larger message is opened', async () => {
    const socket = new SealedWebSocket(node, session.client, 0);
    const request = patternBytes(CHUNK_PLAINTEXT_MAX_BYTES);
    const opening = await socket.sealRequest(request);
    expect(opening).toHaveLength(WEBSOCKET_OUTER_MESSAGE_MAX_BYTES);
    expect(toHex(acceptorOf(session, opening).openRequest(opening))).toBe(toHex(request));
    const longer = concatBytes([opening, Uint8Array.of(0)]);
    await expectRefusal('too-large', () => acceptorOf(session, longer).openRequest(longer));
    await expectRefusal('misuse', () => socket.sealRequest(patternBytes(CHUNK_PLAINTEXT_MAX_BYTES + 1)));
  });

  test('is not an exchange, and an exchange is not an opening', async () => {
    const { opening } = await opened();
    await expectRefusal('malformed', () => parseMessageHeader(opening));
    const exchange = await SealedExchange.begin(node, session.client, 1, 5);
    await expectRefusal('malformed', () => parseWebSocketHeader(exchange.header));
    // Relabelled, it does not open either: the type is part of the header that the key is bound to.
    const relabelled = concatBytes([exchange.header, await exchange.sealFinal(ascii('GET'))]).slice();
    relabelled[1] = MESSAGE_TYPE_WEBSOCKET;
    await expectRefusal('unopenable', () => acceptorOf(session, relabelled).openRequest(relabelled));
  });

  test('of several chunks is malformed, and the acceptor responds once', async () => {
    const exchange = await SealedExchange.begin(node, session.client, MESSAGE_TYPE_WEBSOCKET, 6);
    const pieces = [exchange.header, await exchange.seal(ascii('a')), await exchange.sealFinal(ascii('b'))];
    const opening = concatBytes(pieces);
    const acceptor = acceptorOf(session, opening);
    await expectRefusal('malformed', () => acceptor.openRequest(opening));
    acceptor.respond(node, none);
    await expectRefusal('misuse', () => acceptor.respond(node, none));
  });
});

describe('frames', () => {
  const frames: WebSocketFrame[] = [
    { kind: 'text', final: true, data: ascii('a') },
    { kind: 'binary', final: true, data: none },
    { kind: 'text', final: false, data: ascii('a') },
    { kind: 'ping', data: patternBytes(125) },
    { kind: 'more', final: false, data: ascii('b') },
    { kind: 'pong', data: none },
    { kind: 'more', final: true, data: none },
    { kind: 'close', code: 4999, reason: 'genug ✓' },
  ];

  test('read as they were written', () => {
    const reader = new FrameReader();
    for (const frame of frames) expect(reader.read(encodeFrame(frame))).toEqual(frame);
    expect(new FrameReader().read(encodeFrame({ kind: 'close', code: undefined, reason: '' }))).toEqual({
      kind: 'close',
      code: undefined,
      reason: '',
    });
  });

  test('begin with the first byte of the RFC 6455 frame that they stand for', () => {
    const firsts = frames.map((frame) => encodeFrame(frame)[0]);
    expect(firsts).toEqual([0x81, 0x82, 0x01, 0x89, 0x00, 0x8a, 0x80, 0x88]);
  });

  test.each([
    ['nothing', []],
    ['reserved bits', [0xc1]],
    ['an unknown kind', [0x83]],
    ['a continuation without a message', [0x80]],
    ['an empty piece before the last', [0x01]],
    ['a close in pieces', [0x08]],
    ['a close code of one byte', [0x88, 3]],
    ['close code 1005', [0x88, 0x03, 0xed]],
    ['close code 2999', [0x88, 0x0b, 0xb7]],
    ['a close reason cut inside a character', [0x88, 0x03, 0xe8, 0xc3]],
  ])('%s is malformed', async (_what, bytes) => {
    await expectRefusal('malformed', () => new FrameReader().read(Uint8Array.from(bytes)));
  });

  test('a control frame above 125 bytes, a message inside another and a frame behind a close are malformed', async () => {
    await expectRefusal('malformed', () => new FrameReader().read(patternBytes(127).fill(0x89, 0, 1)));
    const inside = new FrameReader();
    inside.read(Uint8Array.of(0x01, 65));
    await expectRefusal('malformed', () => inside.read(Uint8Array.of(0x81, 65)));
    const behind = new FrameReader();
    behind.read(Uint8Array.of(0x88));
    await expectRefusal('malformed', () => behind.read(Uint8Array.of(0x89)));
  });

  test('a frame that a reader refuses is not written', async () => {
    const wrong: WebSocketFrame[] = [
      { kind: 'more', final: false, data: none },
      { kind: 'ping', data: patternBytes(126) },
      { kind: 'binary', final: true, data: patternBytes(WEBSOCKET_FRAME_DATA_MAX_BYTES + 1) },
      { kind: 'close', code: 1006, reason: '' },
      { kind: 'close', code: undefined, reason: 'why' },
      { kind: 'close', code: 1000, reason: 'x'.repeat(124) },
    ];
    for (const frame of wrong) await expectRefusal('misuse', () => encodeFrame(frame), JSON.stringify(frame.kind));
  });

  test('a message becomes frames of at most 65,535 bytes and is whole again', () => {
    for (const length of [0, 1, 65_535, 65_536, 131_070, 131_071]) {
      const message = patternBytes(length);
      const pieces = [...framesOf('binary', message)];
      expect(pieces).toHaveLength(Math.max(1, Math.ceil(length / WEBSOCKET_FRAME_DATA_MAX_BYTES)));
      expect(pieces.map(({ kind }) => kind)).toEqual(pieces.map((_, i) => (i === 0 ? 'binary' : 'more')));
      expect(pieces.map(({ final }) => final)).toEqual(pieces.map((_, i) => i === pieces.length - 1));
      expect(toHex(concatBytes([none, ...pieces.map(({ data }) => data)]))).toBe(toHex(message));
    }
  });

  test('close codes are those that RFC 6455 lets a frame carry', () => {
    const allowed = Array.from({ length: 6000 }, (_, code) => code).filter(isCloseCode);
    expect(allowed.filter((code) => code < 3000)).toEqual([
      1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ]);
    expect(allowed.filter((code) => code >= 3000)).toEqual(Array.from({ length: 2000 }, (_, i) => 3000 + i));
  });
});
