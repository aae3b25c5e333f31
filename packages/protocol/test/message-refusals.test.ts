// Requests and responses that were cut, changed, reordered or meant for somebody else: each is refused, with its code.
import { describe, expect, test } from 'vitest';
import { decodeWhole, encodeRequest, type RequestHead } from '../src/bhttp.ts';
import { MESSAGE_HEADER_BYTES } from '../src/constants.ts';
import type { ProtocolErrorCode } from '../src/errors.ts';
import type { SealedExchange } from '../src/message.ts';
import { type Bytes, concatBytes, writeUint } from '../src/wire.ts';
import { ascii, flipBit, fromHex, patternBytes } from './support/bytes.ts';
import { expectRefusal, refusalOf } from './support/refusal.ts';
import { identityFrom, openRequest, openResponse, pair, sealRequest, sealResponse } from './support/sessions.ts';

const identity = await identityFrom(0x11);
const session = await pair(identity, 1);
const otherSession = await pair(identity, 2);
// Chunks of 30, 70 and 5 bytes: length prefixes of one byte and of two, and a final chunk with content.
const PIECES = [patternBytes(30), patternBytes(70), ascii('final')];
const TYPE_AT = 1;
const SID_AT = 2;
const NUMBER_AT = 18;
const NONCE_AT = 26;

describe('a request', () => {
  test('cut at any byte is truncated; inside its final chunk it does not open', async () => {
    const { message, chunks } = await sealRequest(session, 1, PIECES);
    const finalAt = message.length - (chunks.at(-1) as Bytes).length;
    for (let end = 0; end < message.length; end += 1) {
      for (const pieceBytes of [1, message.length]) {
        const cut = (): unknown => openRequest(session.relay, message.subarray(0, end), pieceBytes);
        await expectRefusal(end <= finalAt ? 'truncated' : 'unopenable', cut, `cut at ${end}`);
      }
    }
  });

  test('with a bit flipped in any header field is refused with that field’s code', async () => {
    const { message } = await sealRequest(session, 1, PIECES);
    for (let at = 0; at < MESSAGE_HEADER_BYTES; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        await expectRefusal(
          codeOf(at, bit),
          () => openRequest(session.relay, flipBit(message, at, bit)),
          `byte ${at}, bit ${bit}`,
        );
      }
    }
    function codeOf(at: number, bit: number): ProtocolErrorCode {
      if (at < TYPE_AT) return 'version-unsupported';
      if (at < SID_AT) return 'malformed'; // one bit makes no known type of type 1
      const beyondSafeNumber = at === NUMBER_AT || (at === NUMBER_AT + 1 && bit >= 5);
      return beyondSafeNumber ? 'malformed' : 'unopenable';
    }
  });

  test('with any bit flipped in its chunks is refused, length prefixes included', async () => {
    const { message, chunks } = await sealRequest(session, 1, PIECES);
    const prefixes = new Set<number>();
    let at = MESSAGE_HEADER_BYTES;
    for (const [i, chunk] of chunks.entries()) {
      prefixes.add(at);
      if (i === 1) prefixes.add(at + 1);
      at += chunk.length;
    }
    for (at = MESSAGE_HEADER_BYTES; at < message.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        // A changed length moves what follows: it may be too long, too short, in the wrong form, or just not open.
        const expected: readonly ProtocolErrorCode[] = prefixes.has(at)
          ? ['malformed', 'truncated', 'too-large', 'unopenable']
          : ['unopenable'];
        await expectRefusal(
          expected,
          () => openRequest(session.relay, flipBit(message, at, bit)),
          `byte ${at}, bit ${bit}`,
        );
      }
    }
  });

  test('with chunks reordered, doubled, dropped or taken from another message does not open', async () => {
    const { exchange, chunks } = await sealRequest(session, 1, PIECES);
    const [a, b, final] = chunks as [Bytes, Bytes, Bytes];
    const [otherA, , otherFinal] = (await sealRequest(session, 1, PIECES)).chunks as [Bytes, Bytes, Bytes];
    const empty = (await sealRequest(session, 2, [new Uint8Array(0)])).chunks[0] as Bytes;
    const cases: Record<string, readonly Bytes[]> = {
      reordered: [b, a, final],
      'first doubled': [a, a, b, final],
      'second doubled': [a, b, b, final],
      'first dropped': [b, final],
      'second dropped': [a, final],
      'all but the final dropped': [final],
      'chunk of another message': [otherA, b, final],
      'final chunk of another message': [a, b, otherFinal],
      'empty final chunk instead': [a, b, empty],
      'final chunk doubled': [a, b, final, final],
      'final chunk first': [final, a, b],
      'more behind the end': [a, b, final, Uint8Array.of(0)],
    };
    for (const [name, order] of Object.entries(cases)) {
      await expectRefusal(
        'unopenable',
        () => openRequest(session.relay, concatBytes([exchange.header, ...order])),
        name,
      );
    }
    await expectRefusal('truncated', () => openRequest(session.relay, concatBytes([exchange.header, a, b])));
    // A non-final chunk may not pose as the final one, nor the final one as another.
    const posing = concatBytes([Uint8Array.of(0), b.subarray(2)]);
    await expectRefusal('unopenable', () => openRequest(session.relay, concatBytes([exchange.header, a, posing])));
    const finalAsMore = concatBytes([Uint8Array.of(final.length - 1), final.subarray(1), empty]);
    await expectRefusal('unopenable', () =>
      openRequest(session.relay, concatBytes([exchange.header, a, b, finalAsMore])),
    );
  });

  test('of another session does not open, under its own name or a false one', async () => {
    const { message } = await sealRequest(otherSession, 1, PIECES);
    await expectRefusal('unopenable', () => openRequest(session.relay, message));
    const renamed = new Uint8Array(message);
    renamed.set(session.client.sid, SID_AT);
    await expectRefusal('unopenable', () => openRequest(session.relay, renamed));
    await expectRefusal('unopenable', () => openRequest(otherSession.relay, renamed));
  });

  test('under a new number or nonce does not open: a replay cannot be dressed up as fresh', async () => {
    const { message } = await sealRequest(session, 1, PIECES);
    for (const n of [0, 2, 1025, 2 ** 53 - 1]) {
      const renumbered = new Uint8Array(message);
      writeUint(renumbered, NUMBER_AT, 8, n);
      await expectRefusal('unopenable', () => openRequest(session.relay, renumbered), `number ${n}`);
    }
    const renonced = new Uint8Array(message);
    renonced.set(patternBytes(16), NONCE_AT);
    await expectRefusal('unopenable', () => openRequest(session.relay, renonced));
  });

  test('of an older or newer version is refused as such from its first byte on', async () => {
    const { message } = await sealRequest(session, 1, PIECES);
    for (const version of [0, 2, 255]) {
      const offered = concatBytes([Uint8Array.of(version), message.subarray(1)]);
      await expectRefusal('version-unsupported', () => openRequest(session.relay, offered));
      await expectRefusal('version-unsupported', () => openRequest(session.relay, offered.subarray(0, 1)));
    }
  });

  test('with a chunk of 2^60 bytes, or a length in another form, is refused at its prefix', async () => {
    const { exchange } = await sealRequest(session, 1, PIECES);
    const behindHeader = (hex: string): unknown =>
      openRequest(session.relay, concatBytes([exchange.header, fromHex(hex)]));
    await expectRefusal('too-large', () => behindHeader('d000000000000000'));
    await expectRefusal('too-large', () => behindHeader('80010011'));
    await expectRefusal('malformed', () => behindHeader(`401e${'00'.repeat(30)}`));
    await expectRefusal('malformed', () => behindHeader('10'));
  });

  test('whose chunks all open but whose Binary HTTP has not ended is truncated', async () => {
    const head: RequestHead = { method: 'POST', scheme: 'https', authority: 'a', path: '/', headers: [] };
    const inner = encodeRequest(head, patternBytes(50));
    const { message } = await sealRequest(session, 1, [inner.subarray(0, 40)]);
    const opened = openRequest(session.relay, message);
    await expectRefusal('truncated', () => decodeWhole<RequestHead>('request', opened));
  });
});

describe('a response', () => {
  async function responded(n: number): Promise<{ exchange: SealedExchange; message: Bytes; writes: Bytes[] }> {
    const { exchange } = await sealRequest(session, n, [ascii('request')]);
    return { exchange, ...sealResponse(session, exchange, PIECES) };
  }

  test('cut at any byte is truncated; inside its final chunk it does not open', async () => {
    const { exchange, message, writes } = await responded(1);
    const finalAt = message.length - (writes.at(-1) as Bytes).length;
    for (let end = 0; end < message.length; end += 1) {
      for (const pieceBytes of [1, message.length]) {
        const code = await refusalOf(() => openResponse(exchange, message.subarray(0, end), pieceBytes));
        expect(code, `cut at ${end}`).toBe(end <= finalAt ? 'truncated' : 'unopenable');
      }
    }
  });

  test('with any bit flipped is refused, nonce and length prefixes included', async () => {
    const { exchange, message, writes } = await responded(1);
    const lengths = writes.map((write) => write.length) as [number, number, number];
    const prefixes = new Set([16, lengths[0], lengths[0] + 1, lengths[0] + lengths[1]]);
    for (let at = 0; at < message.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const expected: readonly ProtocolErrorCode[] = prefixes.has(at)
          ? ['malformed', 'truncated', 'too-large', 'unopenable']
          : ['unopenable'];
        await expectRefusal(
          expected,
          () => openResponse(exchange, flipBit(message, at, bit)),
          `byte ${at}, bit ${bit}`,
        );
      }
    }
  });

  test('to another request does not open, though both are of one session', async () => {
    const [one, two] = [await responded(1), await responded(2)];
    await expectRefusal('unopenable', () => openResponse(one.exchange, two.message));
    await expectRefusal('unopenable', () => openResponse(two.exchange, one.message));
    const twin = await responded(1); // even of the same number
    await expectRefusal('unopenable', () => openResponse(one.exchange, twin.message));
  });

  test('of another session does not open', async () => {
    const { exchange } = await responded(1);
    const there = await sealRequest(otherSession, 1, [ascii('request')]);
    const foreign = sealResponse(otherSession, there.exchange, PIECES).message;
    await expectRefusal('unopenable', () => openResponse(exchange, foreign));
    // The other session's secrets, bound to this very request.
    const misbound = sealResponse(otherSession, exchange, PIECES).message;
    await expectRefusal('unopenable', () => openResponse(exchange, misbound));
  });

  test('with chunks reordered, doubled, dropped, or of another response to the same request does not open', async () => {
    const { exchange, message, writes } = await responded(1);
    const nonce = message.subarray(0, 16);
    const [a, b, final] = [(writes[0] as Bytes).subarray(16), writes[1] as Bytes, writes[2] as Bytes];
    const second = sealResponse(session, exchange, PIECES).writes[2] as Bytes;
    for (const order of [
      [b, a, final],
      [a, a, b, final],
      [b, final],
      [a, final],
      [final],
      [a, b, second],
      [a, b, final, final],
    ]) {
      await expectRefusal('unopenable', () => openResponse(exchange, concatBytes([nonce, ...order])));
    }
    await expectRefusal('truncated', () => openResponse(exchange, concatBytes([nonce, a, b])));
  });

  test('that echoes the request does not open', async () => {
    const { exchange, message, chunks } = await sealRequest(session, 1, PIECES);
    await expectRefusal(['unopenable', 'malformed', 'too-large', 'truncated'], () => openResponse(exchange, message));
    await expectRefusal('unopenable', () =>
      openResponse(exchange, concatBytes([message.subarray(NONCE_AT, MESSAGE_HEADER_BYTES), ...chunks])),
    );
  });
});
