// Cases of SPEC §13, made by the twin.
import {
  type FrameJson,
  outputOf,
  type PairingCase,
  type Plaintext,
  plaintextBytes,
  type RefusedCase,
  refusedInputs,
  type SealedFrameCase,
  type WebSocketCase,
  type WebSocketRefusedVectors,
  type WebSocketVectors,
} from '../format.ts';
import { encodeKnown, type Field } from '../twin/bhttp.ts';
import { type Bytes, hex, join, NONE, text, uint, unhex } from '../twin/bytes.ts';
import { header, requestKey } from '../twin/messages.ts';
import { seal } from '../twin/primitives.ts';
import type { FailureClass } from '../twin/refused.ts';
import {
  type Frame,
  frameKey,
  framePlaintext,
  openFrame,
  opening,
  openOpening,
  openResponse,
  readFrames,
  sealedResponse,
  sealFrame,
} from '../twin/websocket.ts';
import { expectFailure, refusedBy, replacedByte, type Session, sessionOf } from './refusing.ts';
import { seeded } from './seeded.ts';

const UPGRADE: Bytes = encodeKnown({
  method: 'GET',
  scheme: 'https',
  authority: 'relay.example',
  path: '/chat?room=1',
  headers: [['sec-websocket-protocol', 'v2.chat, v1.chat']] as Field[],
  content: NONE,
  trailers: [],
});
const ACCEPTED: Bytes = encodeKnown({
  status: 200,
  headers: [['sec-websocket-protocol', 'v1.chat']] as Field[],
  content: NONE,
  trailers: [],
});
const REFUSED: Bytes = encodeKnown({
  status: 401,
  headers: [['www-authenticate', 'Bearer']] as Field[],
  content: text('no token'),
  trailers: [],
});

const utf8 = (value: string): Bytes => new Uint8Array(Buffer.from(value));

const CLIENT_FRAMES: FrameJson[] = [
  { kind: 'text', final: true, data: hex(utf8('grüße')) },
  { kind: 'binary', final: true, data: '' },
  { kind: 'text', final: false, data: hex(utf8('gr\u00fc').subarray(0, 3)) },
  { kind: 'ping', data: '01' },
  { kind: 'more', final: false, data: 'bc' },
  { kind: 'more', final: true, data: '' },
  { kind: 'pong', data: { pattern: 125 } },
  { kind: 'close', code: 4999, reason: hex(utf8('genug ✓')) },
];
const LARGE_FRAMES: FrameJson[] = [
  { kind: 'binary', final: false, data: { pattern: 65_535 } },
  { kind: 'more', final: true, data: { pattern: 1 } },
];
const RELAY_FRAMES: FrameJson[] = [
  { kind: 'text', final: true, data: '' },
  { kind: 'pong', data: '01' },
  { kind: 'ping', data: '' },
  { kind: 'close' },
];

function webSocketCase(
  session: Session,
  name: string,
  n: number,
  [request, response]: [Bytes, Bytes],
  [clientFrames, relayFrames]: [FrameJson[], FrameJson[]],
): WebSocketCase {
  const nonce = seeded(`websocket ${name}: nonce`, 16);
  const responseNonce = seeded(`websocket ${name}: response nonce`, 16);
  const headerBytes = header(3, unhex(session.sid), n, nonce);
  const requestSecret = unhex(session.requestSecret);
  const responseSecret = unhex(session.responseSecret);
  const clientKey = frameKey('client', requestSecret, headerBytes, responseNonce);
  const relayKey = frameKey('relay', responseSecret, headerBytes, responseNonce);
  return {
    name,
    n,
    nonce: hex(nonce),
    header: hex(headerBytes),
    request: hex(request),
    opening: hex(opening(requestSecret, headerBytes, request)),
    responseNonce: hex(responseNonce),
    response: hex(response),
    answer: hex(sealedResponse(responseSecret, headerBytes, responseNonce, response)),
    clientFrameKey: hex(clientKey),
    relayFrameKey: hex(relayKey),
    clientFrames: clientFrames.map((frame, i) => sealedFrame(clientKey, i, frame)),
    relayFrames: relayFrames.map((frame, i) => sealedFrame(relayKey, i, frame)),
  };
}

function sealedFrame(key: Bytes, i: number, frame: FrameJson): SealedFrameCase {
  return { frame, sealed: outputOf(sealFrame(key, i, framePlaintext(frameOf(frame)))) };
}

function frameOf({ kind, final, data, code, reason }: FrameJson): Frame {
  return {
    kind,
    ...(final !== undefined && { final }),
    ...(data !== undefined && { data: plaintextBytes(data) }),
    ...(code !== undefined && { code }),
    ...(reason !== undefined && { reason: unhex(reason) }),
  };
}

export function webSocketVectors(pairings: PairingCase[]): WebSocketVectors {
  const session = sessionOf(pairings);
  return {
    session,
    cases: [
      webSocketCase(
        session,
        'accepted, then frames of every kind',
        20,
        [UPGRADE, ACCEPTED],
        [CLIENT_FRAMES, RELAY_FRAMES],
      ),
      webSocketCase(session, 'refused by the upstream', 21, [UPGRADE, REFUSED], [[], []]),
      webSocketCase(session, 'the largest frame', 22, [UPGRADE, ACCEPTED], [LARGE_FRAMES, LARGE_FRAMES]),
    ],
  };
}

export function webSocketRefused(vectors: WebSocketVectors): WebSocketRefusedVectors {
  const [base, other] = vectors.cases as [WebSocketCase, WebSocketCase];
  const refused = {
    openings: [...openingFailures(vectors), ...responseFailures(base, other)],
    frames: frameFailures(base, other, vectors.session),
    plaintexts: plaintextFailures(),
  };
  confirm(refused, vectors);
  return refused;
}

/** §13.2, at the relay. */
function openingFailures({ cases, session }: WebSocketVectors): RefusedCase[] {
  const [base, other] = cases as [WebSocketCase, WebSocketCase];
  const relay = refusedBy('relay', base.name);
  const length = base.opening.length / 2;
  const exchangeHeader = header(1, unhex(session.sid), base.n, unhex(base.nonce));
  const exchange = seal(requestKey(unhex(session.requestSecret), exchangeHeader), 0, text('final'), UPGRADE);
  return [
    relay('truncated before its chunk', 'truncated', { mutation: { op: 'truncate', from: 0, to: 42, step: 1 } }),
    relay('truncated in its chunk', 'unopenable', { mutation: { op: 'truncate', from: 43, to: length - 1, step: 1 } }),
    relay('a byte behind its chunk', 'unopenable', { input: `${base.opening}00` }),
    relay('a bit changed behind the final mark', 'unopenable', {
      mutation: { op: 'flip', from: 43, to: length - 1, step: 1, mask: 0x10 },
    }),
    relay('another sid than was sealed', 'unopenable', { mutation: { op: 'flip', from: 2, to: 17, step: 1, mask: 1 } }),
    relay('another n than was sealed', 'unopenable', { mutation: { op: 'flip', from: 20, to: 25, step: 1, mask: 1 } }),
    relay('another nonce than was sealed', 'unopenable', {
      mutation: { op: 'flip', from: 26, to: 41, step: 1, mask: 1 },
    }),
    relay('version 2', 'version-unsupported', replacedByte(0, 2)),
    relay('type 1', 'malformed', replacedByte(1, 1)),
    relay('type 2', 'malformed', replacedByte(1, 2)),
    relay('type 4', 'malformed', replacedByte(1, 4)),
    relay('n of 2^53', 'malformed', { mutation: { op: 'replace', at: 18, bytes: '0020000000000000' } }),
    relay('a chunk that is not the final one', 'malformed', replacedByte(42, 0x20)),
    relay('an exchange relabelled', 'unopenable', { input: base.header + hex(join(uint(1, 0), exchange)) }),
    relay('chunk of another opening', 'unopenable', { input: base.header + other.opening.slice(84) }),
    relay('its own answer reflected', 'unopenable', { input: base.header + base.answer.slice(32) }),
  ];
}

/** §13.2, at the client. */
function responseFailures(base: WebSocketCase, other: WebSocketCase): RefusedCase[] {
  const client = refusedBy('client', base.name);
  const length = base.answer.length / 2;
  return [
    client('truncated before its chunk', 'truncated', { mutation: { op: 'truncate', from: 0, to: 16, step: 1 } }),
    client('truncated in its chunk', 'unopenable', { mutation: { op: 'truncate', from: 17, to: length - 1, step: 1 } }),
    client('a bit of the nonce changed', 'unopenable', { mutation: { op: 'flip', from: 0, to: 15, step: 1, mask: 1 } }),
    client('a chunk that is not the final one', 'malformed', { mutation: { op: 'replace', at: 16, bytes: '20' } }),
    client('answer to another opening', 'unopenable', { input: other.answer }),
    client('its own opening reflected', 'unopenable', { input: base.responseNonce + base.opening.slice(84) }),
    client('a frame in place of the answer', 'unopenable', {
      input: `${base.responseNonce}00${base.relayFrames[0]?.sealed as string}`,
    }),
  ];
}

/** §13.3: what arrives where frame `at` of the direction is due. */
function frameFailures(base: WebSocketCase, other: WebSocketCase, session: Session): WebSocketRefusedVectors['frames'] {
  const sealed = base.clientFrames.map((one) => one.sealed as string);
  const frame = (name: string, at: number, input: string, expect: FailureClass = 'unopenable') => ({
    name,
    side: 'relay' as const,
    base: base.name,
    at,
    input,
    expect,
  });
  const first = sealed[0] as string;
  const otherKey = frameKey('client', unhex(session.requestSecret), unhex(base.header), unhex(other.responseNonce));
  const hello = framePlaintext(frameOf(CLIENT_FRAMES[0] as FrameJson));
  const key = unhex(base.clientFrameKey);
  return [
    frame('the second frame first', 0, sealed[1] as string),
    frame('the first frame again', 1, first),
    frame('a frame skipped', 1, sealed[2] as string),
    frame('a frame of the other direction', 0, base.relayFrames[0]?.sealed as string),
    frame('a frame of the same opening under another response nonce', 0, hex(sealFrame(otherKey, 0, hello))),
    frame('a frame sealed as a final chunk', 0, hex(seal(key, 0, text('final'), hello))),
    frame('a frame sealed as a chunk', 0, hex(seal(key, 0, NONE, hello))),
    frame('a frame cut by a byte', 0, first.slice(0, -2)),
    frame('a frame with a byte more', 0, `${first}00`),
    frame('a frame shorter than a tag', 0, first.slice(0, 30)),
    frame('nothing', 0, ''),
    {
      ...frame('the client: the second frame first', 0, base.relayFrames[1]?.sealed as string),
      side: 'client' as const,
    },
    { ...frame('the client: its own frame reflected', 0, first), side: 'client' as const },
  ];
}

/** §13.4: opened frames of one direction in order, the last of which is refused. */
function plaintextFailures(): WebSocketRefusedVectors['plaintexts'] {
  const refused = (name: string, ...plaintexts: Plaintext[]) => ({ name, plaintexts, expect: 'malformed' as const });
  return [
    refused('no byte at all', ''),
    refused('reserved bits', 'c1'),
    refused('kind 3', '83'),
    refused('kind 11', '8b'),
    refused('a piece of no message', '8041'),
    refused('a message inside another', '0141', '8142'),
    refused('a piece behind its message', '8141', '8042'),
    refused('an empty piece before the last one', '01'),
    refused('an empty piece in the middle', '0241', '00'),
    refused('a close in pieces', '08'),
    refused('a ping in pieces', '09'),
    refused('a ping of 126 bytes', `89${'00'.repeat(126)}`),
    refused('a close of 126 bytes', `8803e8${'61'.repeat(124)}`),
    refused('a frame behind a close', '88', '8141'),
    refused('a close code of one byte', '8803'),
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000].map((code) =>
      refused(`close code ${code}`, `88${hex(uint(2, code))}`),
    ),
    refused('a close reason cut inside a character', '8803e8c3'),
    refused('a close reason with a byte that is in no UTF-8', '8803e8ff'),
  ];
}

/** The twin must refuse what it has made, for the reason that stands there. */
function confirm(refused: WebSocketRefusedVectors, { session, cases }: WebSocketVectors): void {
  const requestSecret = unhex(session.requestSecret);
  const responseSecret = unhex(session.responseSecret);
  const caseOf = (name: string) => cases.find((one) => one.name === name) as WebSocketCase;
  for (const one of refused.openings) {
    const base = caseOf(one.base);
    const relay = one.side === 'relay';
    for (const input of refusedInputs(one, unhex(relay ? base.opening : base.answer))) {
      expectFailure(one, () =>
        relay ? openOpening(requestSecret, input) : openResponse(responseSecret, unhex(base.header), input),
      );
    }
  }
  for (const one of refused.frames) {
    const base = caseOf(one.base);
    const key = one.side === 'relay' ? base.clientFrameKey : base.relayFrameKey;
    expectFailure(one, () => openFrame(unhex(key), one.at, unhex(one.input)));
  }
  for (const one of refused.plaintexts) {
    const plaintexts = one.plaintexts.map(plaintextBytes);
    readFrames(plaintexts.slice(0, -1));
    expectFailure(one, () => readFrames(plaintexts));
  }
}
