// Every case of conformance/vectors/websocket*.json against packages/protocol with each of its providers.
import { readFileSync } from 'node:fs';
import {
  type Bytes,
  type ClientKeys,
  encodeFrame,
  FrameReader,
  ProtocolError,
  parseWebSocketHeader,
  SealedWebSocket,
  type SyncSuite,
  WebSocketAcceptor,
  type WebSocketFrame,
  type WebSocketKeys,
} from '@mte-relay/protocol';
import { describe, expect, it } from 'vitest';
import { type Provider, providers, syncProviders, withRandomness } from './fixed-suite.ts';
import {
  type FrameJson,
  outputOf,
  plaintextBytes,
  refusedInputs,
  type SealedFrameCase,
  type WebSocketCase,
  type WebSocketRefusedVectors,
  type WebSocketVectors,
} from './format.ts';

const load = <T>(name: string): T => JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));
const { session, cases } = load<WebSocketVectors>('websocket');
const refused = load<WebSocketRefusedVectors>('websocket-refused');

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (digits: string): Bytes => Uint8Array.from(Buffer.from(digits, 'hex'));
const caseOf = (name: string) => cases.find((one) => one.name === name) as WebSocketCase;

async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

function frameOf({ kind, final, data, code, reason }: FrameJson): WebSocketFrame {
  if (kind === 'close') return { kind, code, reason: Buffer.from(reason ?? '', 'hex').toString() };
  const bytes = new Uint8Array(plaintextBytes(data ?? ''));
  if (kind === 'ping' || kind === 'pong') return { kind, data: bytes };
  return { kind, final: final === true, data: bytes };
}

async function clientOf(provider: Provider, one: WebSocketCase): Promise<SealedWebSocket> {
  const suite = withRandomness(provider, { bytes: [unhex(one.nonce)] });
  const keys: ClientKeys = {
    sid: unhex(session.sid),
    requestSecret: await suite.importExpandKey(unhex(session.requestSecret)),
    responseSecret: await suite.importExpandKey(unhex(session.responseSecret)),
  };
  return new SealedWebSocket(suite, keys, one.n);
}

function acceptorOf({ suite }: Provider<SyncSuite>, message: Bytes): WebSocketAcceptor {
  return new WebSocketAcceptor(
    suite.importExpandKey(unhex(session.requestSecret)),
    suite.importExpandKey(unhex(session.responseSecret)),
    parseWebSocketHeader(message),
  );
}

function relayOf(provider: Provider<SyncSuite>, one: WebSocketCase): WebSocketKeys & { message: Bytes } {
  const suite = withRandomness(provider, { bytes: [unhex(one.responseNonce)] });
  return acceptorOf(provider, unhex(one.opening)).answer(suite, unhex(one.response));
}

/** Seals the frames of one direction and reads those of the other. */
async function exchangeFrames(
  { sealer, opener }: WebSocketKeys,
  sent: SealedFrameCase[],
  received: SealedFrameCase[],
): Promise<void> {
  for (const { frame, sealed } of sent) {
    expect(outputOf(await sealer.seal(encodeFrame(frameOf(frame))))).toEqual(sealed);
  }
  const reader = new FrameReader();
  for (const { frame, sealed } of received) {
    if (typeof sealed !== 'string') return; // too long to stand here; what follows cannot be opened without it
    expect(hex(encodeFrame(reader.read(await opener.open(unhex(sealed)))))).toBe(hex(encodeFrame(frameOf(frame))));
  }
}

describe.each(providers)('WebSockets of a client, provider $suite.name', (provider) => {
  it.each(cases)('$name', async (one) => {
    const client = await clientOf(provider, one);
    expect(hex(client.header)).toBe(one.header);
    expect(hex(await client.sealRequest(unhex(one.request)))).toBe(one.opening);
    const { response, ...keys } = await client.openResponse(unhex(one.answer));
    expect(hex(response)).toBe(one.response);
    await exchangeFrames(keys, one.clientFrames, one.relayFrames);
  });

  it.each(refused.openings.filter((one) => one.side === 'client'))('refuses: $name', async (one) => {
    const base = caseOf(one.base);
    const client = await clientOf(provider, base);
    for (const input of refusedInputs(one, unhex(base.answer))) {
      expect(await outcome(() => client.openResponse(new Uint8Array(input)))).toBe(one.expect);
    }
  });

  it.each(refused.frames.filter((one) => one.side === 'client'))('refuses a frame: $name', async (one) => {
    const base = caseOf(one.base);
    const { opener } = await (await clientOf(provider, base)).openResponse(unhex(base.answer));
    for (const { sealed } of base.relayFrames.slice(0, one.at)) await opener.open(unhex(sealed as string));
    expect(await outcome(() => opener.open(unhex(one.input)))).toBe(one.expect);
  });
});

describe.each(syncProviders)('WebSockets of a relay, provider $suite.name', (provider) => {
  it.each(cases)('$name', async (one) => {
    expect(hex(acceptorOf(provider, unhex(one.opening)).openRequest(unhex(one.opening)))).toBe(one.request);
    const { message, ...keys } = relayOf(provider, one);
    expect(hex(message)).toBe(one.answer);
    await exchangeFrames(keys, one.relayFrames, one.clientFrames);
  });

  it.each(refused.openings.filter((one) => one.side === 'relay'))('refuses: $name', async (one) => {
    for (const input of refusedInputs(one, unhex(caseOf(one.base).opening))) {
      const bytes = new Uint8Array(input);
      expect(await outcome(() => acceptorOf(provider, bytes).openRequest(bytes))).toBe(one.expect);
    }
  });

  it.each(refused.frames.filter((one) => one.side === 'relay'))('refuses a frame: $name', async (one) => {
    const base = caseOf(one.base);
    const { opener } = relayOf(provider, base);
    for (const { sealed } of base.clientFrames.slice(0, one.at)) await opener.open(unhex(sealed as string));
    expect(await outcome(() => opener.open(unhex(one.input)))).toBe(one.expect);
  });
});

describe('opened frames of a WebSocket', () => {
  it.each(refused.plaintexts)('are refused: $name', async ({ plaintexts, expect: failure }) => {
    const reader = new FrameReader();
    const bytes = plaintexts.map((plaintext) => new Uint8Array(plaintextBytes(plaintext)));
    for (const plaintext of bytes.slice(0, -1)) reader.read(plaintext);
    expect(await outcome(() => reader.read(bytes.at(-1) as Bytes))).toBe(failure);
  });
});
