// Cases of SPEC §5.1 to §5.4 and §7, made by the twin.
import {
  type MessageCase,
  type MessageRefusedVectors,
  type MessageVectors,
  outputOf,
  type PairingCase,
  type Plaintext,
  plaintextBytes,
  type RefusedCase,
  refusedInputs,
} from '../format.ts';
import { encodeKnown, type Field } from '../twin/bhttp.ts';
import { type Bytes, hex, join, NONE, text, uint, unhex, varint } from '../twin/bytes.ts';
import {
  cancelPlaintext,
  cancelResult,
  cancelTarget,
  header,
  openRequest,
  openResponse,
  requestKey,
  responseKey,
  sealChunks,
  wasCancelled,
} from '../twin/messages.ts';
import { seal } from '../twin/primitives.ts';
import type { FailureClass } from '../twin/refused.ts';
import { expectFailure, refusedBy, replacedByte, type Session, sessionOf } from './refusing.ts';
import { seeded } from './seeded.ts';

/** The Binary HTTP of the worked example. */
export const EXAMPLE_REQUEST: Bytes = encodeKnown({
  method: 'POST',
  scheme: 'https',
  authority: 'relay.example',
  path: '/orders?draft=1',
  headers: [['content-type', 'application/json']] as Field[],
  content: text('{"item":"tea"}'),
  trailers: [],
});
export const EXAMPLE_RESPONSE: Bytes = encodeKnown({
  status: 201,
  headers: [['location', '/orders/7']] as Field[],
  content: text('{"id":7}'),
  trailers: [],
});

function messageCase(
  session: Session,
  name: string,
  type: 1 | 2,
  n: number,
  requestPlaintexts: Plaintext[],
  responsePlaintexts: Plaintext[],
): MessageCase {
  const nonce = seeded(`${name}: nonce`, 16);
  const responseNonce = seeded(`${name}: response nonce`, 16);
  const headerBytes = header(type, unhex(session.sid), n, nonce);
  const keyOfRequest = requestKey(unhex(session.requestSecret), headerBytes);
  const keyOfResponse = responseKey(unhex(session.responseSecret), headerBytes, responseNonce);
  return {
    name,
    type,
    n,
    nonce: hex(nonce),
    requestPlaintexts,
    header: hex(headerBytes),
    requestKey: hex(keyOfRequest),
    request: outputOf(join(headerBytes, sealChunks(keyOfRequest, requestPlaintexts.map(plaintextBytes)))),
    responseNonce: hex(responseNonce),
    responsePlaintexts,
    responseKey: hex(keyOfResponse),
    response: outputOf(join(responseNonce, sealChunks(keyOfResponse, responsePlaintexts.map(plaintextBytes)))),
  };
}

export function messageVectors(pairings: PairingCase[]): MessageVectors {
  const session = sessionOf(pairings);
  const make = (name: string, n: number, request: Plaintext[], response: Plaintext[], type: 1 | 2 = 1) =>
    messageCase(session, name, type, n, request, response);
  const pieces = ['one ', 'two ', 'three'].map((piece) => hex(text(piece)));
  return {
    session,
    cases: [
      make('one final chunk each way', 0, [hex(EXAMPLE_REQUEST)], [hex(EXAMPLE_RESPONSE)]),
      make('several chunks each way', 1, pieces, [...pieces, hex(text('four'))]),
      make('several chunks and an empty final one', 2, [...pieces, ''], [...pieces, '']),
      make('nothing but an empty final chunk', 3, [''], ['']),
      make('one byte, then one byte', 4, ['01', '02'], ['03', '04']),
      make('largest n', Number.MAX_SAFE_INTEGER, ['aa'], ['bb']),
      make('n above 32 bits', 4_294_967_297, ['aa'], ['bb']),
      make('chunk lengths of one and two bytes', 5, [{ pattern: 47 }, { pattern: 48 }, ''], [{ pattern: 63 }, '']),
      make('chunk lengths of two and four bytes', 6, [{ pattern: 16_367 }, { pattern: 16_368 }, ''], ['00']),
      make('largest chunk, then the largest final chunk', 7, [{ pattern: 65_536 }, { pattern: 65_536 }], ['00']),
      make('largest chunk but one, and its answer', 8, [{ pattern: 65_535 }], [{ pattern: 65_536 }, { pattern: 1 }]),
      make('cancel, and its answer "cancelled"', 9, [hex(cancelPlaintext(4))], [hex(cancelResult(4, 0))], 2),
      make('cancel, and its answer "already claimed"', 10, [hex(cancelPlaintext(0))], [hex(cancelResult(0, 1))], 2),
    ],
    cancels: [0, 255, 1_048_575, Number.MAX_SAFE_INTEGER].map((n) => ({
      name: `number ${n}`,
      n,
      plaintext: hex(cancelPlaintext(n)),
      cancelled: hex(cancelResult(n, 0)),
      claimed: hex(cancelResult(n, 1)),
    })),
  };
}

/** Keys and lengths of one direction of a case, so that failing bodies can be put together for both alike. */
interface Direction {
  side: 'relay' | 'client';
  base: MessageCase;
  /** What stands in front of the chunks. */
  front: Bytes;
  key: Bytes;
  whole: Bytes;
}

export function messagesRefused(vectors: MessageVectors): MessageRefusedVectors {
  const cases: RefusedCase[] = [];
  for (const side of ['relay', 'client'] as const) {
    const base = vectors.cases.find((one) => one.name === 'several chunks each way') as MessageCase;
    const direction: Direction =
      side === 'relay'
        ? { side, base, front: unhex(base.header), key: unhex(base.requestKey), whole: unhex(base.request as string) }
        : {
            side,
            base,
            front: unhex(base.responseNonce),
            key: unhex(base.responseKey),
            whole: unhex(base.response as string),
          };
    cases.push(...chunkFailures(direction));
  }
  cases.push(...headerFailures(vectors), ...responseFailures(vectors));
  for (const one of cases) confirm(one, vectors);
  const cancels = cancelFailures();
  for (const one of cancels) {
    const bytes = unhex(one.plaintext);
    expectFailure(one, () => (one.side === 'relay' ? cancelTarget(bytes) : wasCancelled(bytes, one.n)));
  }
  return { cases, cancels };
}

/** §5.3, in either direction. */
function chunkFailures({ side, base, front, key, whole }: Direction): RefusedCase[] {
  const plaintexts = (side === 'relay' ? base.requestPlaintexts : base.responsePlaintexts).map(plaintextBytes);
  const last = plaintexts.length - 1;
  const ciphertexts = plaintexts.map((plaintext, i) => seal(key, i, i === last ? text('final') : NONE, plaintext));
  const framed = ciphertexts.map((ciphertext, i) => join(varint(i === last ? 0 : ciphertext.length), ciphertext));
  const at = (i: number) => framed[i] as Bytes;
  const cipher = (i: number) => ciphertexts[i] as Bytes;
  const finalAt = whole.length - at(last).length;
  const refused = refusedBy(side, base.name);
  const body = (name: string, expect: FailureClass, ...parts: Bytes[]): RefusedCase =>
    refused(name, expect, { input: hex(join(front, ...parts)) });
  const mutated = (name: string, expect: FailureClass, mutation: RefusedCase['mutation'] & object): RefusedCase =>
    refused(name, expect, { mutation });
  const others = framed.slice(2);
  const length = cipher(0).length;
  return [
    mutated('truncated before the final chunk begins', 'truncated', { op: 'truncate', from: 0, to: finalAt, step: 1 }),
    mutated('truncated inside the final chunk', 'unopenable', {
      op: 'truncate',
      from: finalAt + 1,
      to: whole.length - 1,
      step: 1,
    }),
    mutated('a bit of the first ciphertext changed', 'unopenable', {
      op: 'flip',
      from: front.length + 1,
      to: front.length + length,
      step: 1,
      mask: 0x80,
    }),
    mutated('a bit of the final ciphertext changed', 'unopenable', {
      op: 'flip',
      from: finalAt + 1,
      to: whole.length - 1,
      step: 1,
      mask: 0x01,
    }),
    body('a byte behind the final chunk', 'unopenable', ...framed, Uint8Array.of(0)),
    body('first two chunks swapped', 'unopenable', at(1), at(0), ...others),
    body('first chunk dropped', 'unopenable', ...framed.slice(1)),
    body('first chunk twice', 'unopenable', at(0), ...framed),
    body('last chunk before the final one dropped', 'unopenable', ...framed.slice(0, last - 1), at(last)),
    body('a chunk before the final one presented as final', 'unopenable', varint(0), cipher(0)),
    body(
      'the final chunk presented as one before it',
      'unopenable',
      ...framed.slice(0, last),
      varint(cipher(last).length),
      cipher(last),
      at(last),
    ),
    body(
      'an empty chunk before the final one, sealed well',
      'malformed',
      varint(16),
      seal(key, 0, NONE, NONE),
      ...framed.slice(1),
    ),
    body('a chunk shorter than a tag', 'malformed', varint(15), cipher(0).subarray(0, 15), ...framed.slice(1)),
    body('a chunk of length 1', 'malformed', varint(1), Uint8Array.of(0), ...framed),
    body(
      'length in two bytes where one is enough',
      'malformed',
      uint(2, 0x4000 + length),
      cipher(0),
      ...framed.slice(1),
    ),
    body(
      'length in four bytes where one is enough',
      'malformed',
      uint(4, 0x8000_0000 + length),
      cipher(0),
      ...framed.slice(1),
    ),
    body(
      'length in eight bytes where one is enough',
      'malformed',
      uint(8, 0xc000_0000_0000_0000n + BigInt(length)),
      cipher(0),
      ...framed.slice(1),
    ),
    body('final mark in two bytes', 'malformed', ...framed.slice(0, last), uint(2, 0x4000), cipher(last)),
    body(
      'final mark in eight bytes',
      'malformed',
      ...framed.slice(0, last),
      uint(8, 0xc000_0000_0000_0000n),
      cipher(last),
    ),
    body('a chunk of 65,553 bytes announced', 'too-large', varint(65_553), cipher(0)),
    body('a chunk of 2^60 bytes announced', 'too-large', uint(8, (0b11n << 62n) | (1n << 60n)), cipher(0)),
    body('no chunk at all', 'truncated'),
    body('a length cut after its first byte', 'truncated', uint(1, 0x80)),
    body('a final chunk without its tag', 'unopenable', varint(0)),
  ];
}

/** §5.1 */
function headerFailures(vectors: MessageVectors): RefusedCase[] {
  const [first, second] = vectors.cases as [MessageCase, MessageCase];
  const relay = refusedBy('relay', first.name);
  const flips = (from: number, to: number) => ({ mutation: { op: 'flip' as const, from, to, step: 1, mask: 0x01 } });
  const body = (first.request as string).slice(84);
  return [
    relay('version 0', 'version-unsupported', replacedByte(0, 0)),
    relay('version 2', 'version-unsupported', replacedByte(0, 2)),
    relay('another version and nothing behind it', 'version-unsupported', { input: '02' }),
    relay('type 0', 'malformed', replacedByte(1, 0)),
    relay('type 3', 'malformed', replacedByte(1, 3)),
    relay('an exchange relabelled as a cancel', 'unopenable', replacedByte(1, 2)),
    relay('n of 2^53', 'malformed', { mutation: { op: 'replace', at: 18, bytes: '0020000000000000' } }),
    relay('n of 2^64 - 1', 'malformed', { mutation: { op: 'replace', at: 18, bytes: 'ffffffffffffffff' } }),
    relay('another sid than was sealed', 'unopenable', flips(2, 17)),
    relay('another n than was sealed', 'unopenable', flips(20, 25)),
    relay('another nonce than was sealed', 'unopenable', flips(26, 41)),
    relay('chunks of another message of the session', 'unopenable', { input: second.header + body }),
    relay('request of another session', 'unopenable', { input: hex(requestOfAnotherSession(first, vectors.session)) }),
    relay('its own response reflected behind its header', 'unopenable', {
      input: first.header + (first.response as string).slice(32),
    }),
  ];
}

function requestOfAnotherSession(base: MessageCase, session: Session): Bytes {
  const headerBytes = header(1, unhex(session.sid), base.n, unhex(base.nonce));
  const key = requestKey(seeded('the request secret of another session', 32), headerBytes);
  return join(headerBytes, sealChunks(key, [text('x')]));
}

/** §5.4 */
function responseFailures(vectors: MessageVectors): RefusedCase[] {
  const [first, second] = vectors.cases as [MessageCase, MessageCase];
  const client = refusedBy('client', first.name);
  const headerBytes = unhex(first.header);
  const nonce = unhex(first.responseNonce);
  const foreign = responseKey(seeded('the response secret of another session', 32), headerBytes, nonce);
  return [
    client('nothing', 'truncated', { input: '' }),
    client('another response nonce than was sealed', 'unopenable', {
      mutation: { op: 'flip', from: 0, to: 15, step: 1, mask: 0x01 },
    }),
    client('response to another request of the session', 'unopenable', { input: second.response as string }),
    client('response of another session', 'unopenable', {
      input: hex(join(nonce, sealChunks(foreign, [text('x')]))),
    }),
    client('its own request reflected', 'unopenable', {
      input: hex(nonce) + (first.request as string).slice(84),
    }),
  ];
}

/** §7 */
function cancelFailures(): MessageRefusedVectors['cancels'] {
  const relay = (name: string, plaintext: Bytes) => ({
    name: `relay: ${name}`,
    side: 'relay' as const,
    n: 4,
    plaintext: hex(plaintext),
    expect: 'malformed' as const,
  });
  const client = (name: string, plaintext: Bytes) => ({ ...relay(name, plaintext), name, side: 'client' as const });
  return [
    relay('empty cancel', NONE),
    relay('cancel of seven bytes', uint(7, 4)),
    relay('cancel of nine bytes', uint(9, 4)),
    relay('cancel of 2^53', uint(8, 2n ** 53n)),
    client('client: empty answer', NONE),
    client('client: answer without a result', uint(8, 4)),
    client('client: answer of ten bytes', join(cancelResult(4, 0), uint(1, 0))),
    client('client: answer with result 2', join(uint(8, 4), uint(1, 2))),
    client('client: answer about another number', cancelResult(5, 0)),
  ];
}

function confirm(refused: RefusedCase, { session, cases }: MessageVectors): void {
  const base = cases.find((one) => one.name === refused.base) as MessageCase;
  const relay = refused.side === 'relay';
  for (const input of refusedInputs(refused, unhex((relay ? base.request : base.response) as string))) {
    expectFailure(refused, () =>
      relay
        ? openRequest(unhex(session.requestSecret), input)
        : openResponse(unhex(session.responseSecret), unhex(base.header), input),
    );
  }
}
