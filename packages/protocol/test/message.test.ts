// One sealed request and its response when nobody interferes; their layout; cancels; misuse.
import { describe, expect, test } from 'vitest';
import { decodeWhole, encodeRequest, encodeResponse, type RequestHead, type ResponseHead } from '../src/bhttp.ts';
import {
  CHUNK_PLAINTEXT_MAX_BYTES,
  MESSAGE_HEADER_BYTES,
  MESSAGE_TYPE_CANCEL,
  MESSAGE_TYPE_EXCHANGE,
} from '../src/constants.ts';
import { requestKey, responseKey } from '../src/key-schedule.ts';
import {
  decodeCancel,
  decodeCancelResult,
  encodeCancel,
  encodeCancelResult,
  encodeMessageHeader,
  parseMessageHeader,
  RequestOpener,
  ResponseSealer,
  SealedExchange,
  SINGLE_CHUNK_OVERHEAD_BYTES,
} from '../src/message.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { ascii, fromHex, gather, patternBytes, piecesOf, streamOf, toHex } from './support/bytes.ts';
import { expectRefusal } from './support/refusal.ts';
import { identityFrom, openRequest, openResponse, pair, sealRequest, sealResponse } from './support/sessions.ts';
import { noble, node, suites } from './support/suites.ts';

const identity = await identityFrom(0x11);
const session = await pair(identity);
const none: Bytes = new Uint8Array(0);

describe('an exchange', () => {
  for (const clientSuite of suites) {
    for (const relaySuite of [noble, node]) {
      test(`${clientSuite.name} client, ${relaySuite.name} relay: request and response arrive whole`, async () => {
        const paired = await pair(identity, 3, clientSuite, relaySuite);
        const head: RequestHead = {
          method: 'PUT',
          scheme: 'https',
          authority: 'api',
          path: '/a?b',
          headers: [['c', 'd']],
        };
        const pieces = [
          encodeRequest(head, patternBytes(900)).subarray(0, 100),
          encodeRequest(head, patternBytes(900)).subarray(100),
        ];
        const { message, exchange } = await sealRequest(paired, 0, pieces, MESSAGE_TYPE_EXCHANGE, clientSuite);
        for (const pieceBytes of [1, 50, message.length]) {
          const request = decodeWhole<RequestHead>('request', openRequest(paired.relay, message, pieceBytes));
          expect(request.head).toEqual(head);
          expect(toHex(request.content)).toBe(toHex(patternBytes(900)));
        }
        const plaintexts = [
          encodeResponse({ status: 404, headers: [] }, patternBytes(CHUNK_PLAINTEXT_MAX_BYTES - 20)),
          ascii('\0'),
          none,
        ];
        const response = sealResponse(paired, exchange, plaintexts, relaySuite).message;
        const opened = decodeWhole<ResponseHead>('response', await openResponse(exchange, response, 1000));
        expect(opened.head.status).toBe(404);
        expect(opened.content).toHaveLength(CHUNK_PLAINTEXT_MAX_BYTES - 20);
      });
    }
  }

  test('any number of exchanges of one session run side by side and end in any order', async () => {
    const sent = await Promise.all(
      Array.from({ length: 40 }, (_, n) => sealRequest(session, n, [ascii(`request ${n}`)])),
    );
    for (const { message, exchange } of sent.toReversed()) {
      const { n } = parseMessageHeader(message);
      expect(Buffer.from(openRequest(session.relay, message)).toString()).toBe(`request ${n}`);
      const { message: response } = sealResponse(session, exchange, [ascii(`response ${n}`)]);
      expect(Buffer.from(await openResponse(exchange, response)).toString()).toBe(`response ${n}`);
    }
  });

  test('one number used twice still makes two messages under two keys', async () => {
    const [one, two] = [await sealRequest(session, 5, [ascii('same')]), await sealRequest(session, 5, [ascii('same')])];
    expect(toHex(one.message.subarray(26))).not.toBe(toHex(two.message.subarray(26)));
    expect(toHex(one.message.subarray(MESSAGE_HEADER_BYTES))).not.toBe(
      toHex(two.message.subarray(MESSAGE_HEADER_BYTES)),
    );
  });

  test('two responses to one request are sealed under two keys', async () => {
    const { exchange } = await sealRequest(session, 6, [none]);
    const [one, two] = [sealResponse(session, exchange, [ascii('a')]), sealResponse(session, exchange, [ascii('a')])];
    expect(toHex(one.message)).not.toBe(toHex(two.message));
    expect(toHex(await openResponse(exchange, one.message))).toBe(toHex(await openResponse(exchange, two.message)));
  });
});

describe('layout', () => {
  test('a request is version, type, sid, number, nonce, then chunks', async () => {
    const { message } = await sealRequest(session, 0x0102_0304, [ascii('hi')]);
    expect(toHex(message.subarray(0, 26))).toBe(`0101${'01'.repeat(16)}0000000001020304`);
    expect(message).toHaveLength(42 + 1 + 2 + 16);
    expect(message[42]).toBe(0);
  });

  test('a response of one chunk adds exactly its overhead', async () => {
    const { exchange } = await sealRequest(session, 1, [none]);
    for (const size of [0, 1, 1000, CHUNK_PLAINTEXT_MAX_BYTES]) {
      const { message } = sealResponse(session, exchange, [patternBytes(size)]);
      expect(message).toHaveLength(size + SINGLE_CHUNK_OVERHEAD_BYTES);
    }
  });

  test('the response nonce goes out once, with the first write', async () => {
    const { exchange } = await sealRequest(session, 2, [none]);
    const { writes } = sealResponse(session, exchange, [patternBytes(10), patternBytes(10), none]);
    expect(writes.map((write) => write.length)).toEqual([16 + 1 + 26, 1 + 26, 1 + 16]);
  });

  test('the keys follow SPEC §4 from the header and the response nonce', async () => {
    const secret = patternBytes(32);
    const header = encodeMessageHeader(MESSAGE_TYPE_EXCHANGE, patternBytes(16), 9, patternBytes(16));
    const nonce = patternBytes(17).subarray(1);
    const byHand = (label: string, ...parts: Bytes[]): ReturnType<typeof node.importAead> =>
      node.importAead(node.hmac(secret, concatBytes([ascii(label), ...parts, Uint8Array.of(1)])) as Bytes);
    for (const suite of suites) {
      const expand = await suite.importExpandKey(secret);
      const request = await (await requestKey(expand, header)).seal(node.aeadNonce(0), none, none);
      expect(toHex(request), suite.name).toBe(toHex(byHand('req', header).seal(node.aeadNonce(0), none, none)));
      const response = await (await responseKey(expand, header, nonce)).seal(node.aeadNonce(0), none, none);
      expect(toHex(response), suite.name).toBe(toHex(byHand('res', header, nonce).seal(node.aeadNonce(0), none, none)));
    }
  });

  test('a header comes back from its bytes, and keeps them', () => {
    for (const n of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
      const bytes = encodeMessageHeader(MESSAGE_TYPE_CANCEL, patternBytes(16), n, patternBytes(16));
      const header = parseMessageHeader(concatBytes([bytes, patternBytes(5)]));
      expect({ ...header, sid: toHex(header.sid), bytes: toHex(header.bytes) }).toEqual({
        type: MESSAGE_TYPE_CANCEL,
        sid: toHex(patternBytes(16)),
        n,
        bytes: toHex(bytes),
      });
    }
  });
});

describe('a cancel', () => {
  test('names the number to claim, and its response repeats it', async () => {
    for (const n of [0, 77, 2 ** 53 - 1]) {
      const { message, exchange } = await sealRequest(session, 8, [encodeCancel(n)], MESSAGE_TYPE_CANCEL);
      expect(parseMessageHeader(message).type).toBe(MESSAGE_TYPE_CANCEL);
      expect(decodeCancel(openRequest(session.relay, message))).toBe(n);
      for (const cancelled of [true, false]) {
        const { message: response } = sealResponse(session, exchange, [encodeCancelResult(n, cancelled)]);
        expect(decodeCancelResult(await openResponse(exchange, response), n)).toBe(cancelled);
      }
    }
  });

  test('of any other layout, or about another number, is malformed', async () => {
    for (const hex of ['', '00', '00000000000000', '000000000000000000', 'ffffffffffffffff', '0020000000000000']) {
      await expectRefusal('malformed', () => decodeCancel(fromHex(hex)), hex);
    }
    const result = encodeCancelResult(7, true);
    await expectRefusal('malformed', () => decodeCancelResult(result, 8));
    for (let end = 0; end < result.length; end += 1) {
      await expectRefusal('malformed', () => decodeCancelResult(result.subarray(0, end), 7));
    }
    await expectRefusal('malformed', () => decodeCancelResult(concatBytes([result, Uint8Array.of(0)]), 7));
    for (const other of [2, 3, 255]) {
      const changed = new Uint8Array(result);
      changed[8] = other;
      await expectRefusal('malformed', () => decodeCancelResult(changed, 7), `result ${other}`);
    }
  });

  test('relabelled as an exchange does not open, and the other way round', async () => {
    for (const [from, to] of [
      [MESSAGE_TYPE_CANCEL, MESSAGE_TYPE_EXCHANGE],
      [MESSAGE_TYPE_EXCHANGE, MESSAGE_TYPE_CANCEL],
    ] as const) {
      const { message } = await sealRequest(session, 9, [encodeCancel(4)], from);
      message[1] = to;
      await expectRefusal('unopenable', () => openRequest(session.relay, message));
    }
  });
});

describe('misuse', () => {
  test('a header with a sid, nonce or number that does not fit is refused', async () => {
    const sid = patternBytes(16);
    await expectRefusal('misuse', () => encodeMessageHeader(1, patternBytes(15), 0, sid));
    await expectRefusal('misuse', () => encodeMessageHeader(1, sid, 0, patternBytes(17)));
    await expectRefusal('misuse', () => encodeMessageHeader(1, sid, -1, sid));
    await expectRefusal('misuse', () => encodeMessageHeader(1, sid, Number.NaN, sid));
  });

  test('nothing is sealed behind the final chunk of a request or response', async () => {
    const { exchange } = await sealRequest(session, 10, [none]);
    await expectRefusal('misuse', () => exchange.seal(ascii('x')));
    await expectRefusal('misuse', () => exchange.sealFinal(none));
    const sealer = new ResponseSealer(node, session.relay.responseSecret, parseMessageHeader(exchange.header));
    sealer.sealFinal(none);
    await expectRefusal('misuse', () => sealer.seal(ascii('x')));
    await expectRefusal('misuse', () => sealer.sealFinal(none));
  });

  test('a write that is refused does not lose the response nonce', async () => {
    const { exchange } = await sealRequest(session, 11, [none]);
    const sealer = new ResponseSealer(node, session.relay.responseSecret, parseMessageHeader(exchange.header));
    await expectRefusal('misuse', () => sealer.seal(none));
    expect(toHex(await openResponse(exchange, sealer.sealFinal(ascii('ok'))))).toBe(toHex(ascii('ok')));
  });

  test('ten chunks sealed at once open in the order of the calls', async () => {
    for (const suite of suites) {
      const paired = await pair(identity, 4, suite);
      const exchange = await SealedExchange.begin(suite, paired.client, MESSAGE_TYPE_EXCHANGE, 1);
      const sealed = await Promise.all([
        ...Array.from({ length: 10 }, (_, i) => exchange.seal(ascii(`chunk ${i};`))),
        exchange.sealFinal(none),
      ]);
      const opened = openRequest(paired.relay, concatBytes([exchange.header, ...sealed]));
      expect(Buffer.from(opened).toString()).toBe(Array.from({ length: 10 }, (_, i) => `chunk ${i};`).join(''));
    }
  });

  test('a request opener is of no more use behind its end', async () => {
    const { message } = await sealRequest(session, 12, [ascii('x')]);
    const header = parseMessageHeader(message);
    const opener = new RequestOpener(session.relay.requestSecret, header);
    opener.push(message.subarray(MESSAGE_HEADER_BYTES));
    expect(opener.next()).toBeUndefined();
    opener.end();
    await expectRefusal('misuse', () => opener.end());
  });

  test('a reader that leaves a response early ends the stream below it', async () => {
    const { exchange } = await sealRequest(session, 13, [none]);
    const { message } = sealResponse(session, exchange, [patternBytes(100), patternBytes(100), none]);
    for (const pieceBytes of [5, message.length]) {
      let ended = false;
      async function* source(): AsyncGenerator<Bytes, void, undefined> {
        try {
          yield* piecesOf(message, pieceBytes);
        } finally {
          ended = true;
        }
      }
      for await (const piece of exchange.openResponse(source())) {
        expect(piece).toHaveLength(100);
        break;
      }
      expect(ended).toBe(true);
    }
  });

  test('a response gives each chunk as soon as it has arrived', async () => {
    const { exchange } = await sealRequest(session, 14, [none]);
    const { writes } = sealResponse(session, exchange, [ascii('event 1'), ascii('event 2'), none]);
    const seen: string[] = [];
    async function* source(): AsyncGenerator<Bytes, void, undefined> {
      for (const [i, write] of writes.entries()) {
        expect(seen).toHaveLength(i);
        yield await Promise.resolve(write);
      }
    }
    for await (const piece of exchange.openResponse(source())) seen.push(Buffer.from(piece).toString());
    expect(seen).toEqual(['event 1', 'event 2', '']);
    expect(await gather(exchange.openResponse(streamOf(writes)))).toHaveLength(14);
  });
});
