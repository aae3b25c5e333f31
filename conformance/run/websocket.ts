// Cases of SPEC §13: openings, responses and frames as both sides seal and open them.
import {
  type Bytes,
  type ClientKeys,
  encodeFrame,
  FrameReader,
  parseWebSocketHeader,
  SealedWebSocket,
  type SyncSuite,
  WebSocketAcceptor,
  type WebSocketFrame,
  type WebSocketKeys,
} from '@mte-relay/protocol';
import {
  type FrameJson,
  outputOf,
  plaintextBytes,
  refusedInputs,
  type SealedFrameCase,
  type WebSocketCase,
  type WebSocketRefusedVectors,
  type WebSocketVectors,
} from '../format.ts';
import { hex } from '../twin/bytes.ts';
import { type Case, expectSame, outcome, textOfUtf8, unhex } from './case.ts';
import { type Provider, type Providers, withRandomness } from './fixed-suite.ts';

export function webSocketCases(
  { session, cases }: WebSocketVectors,
  refused: WebSocketRefusedVectors,
  { client, relay, inputsMax }: Providers,
): Case[] {
  const caseOf = (name: string) => cases.find((one) => one.name === name) as WebSocketCase;

  return [
    ...cases.map((one) => ({ name: `WebSocket of a client: ${one.name}`, run: () => openAsClient(one) })),
    ...cases.map((one) => ({ name: `WebSocket of a relay: ${one.name}`, run: () => acceptAsRelay(one) })),
    ...refused.openings.map((one) => ({
      name: `WebSocket refused by the ${one.side}: ${one.name}`,
      async run() {
        const base = caseOf(one.base);
        const bytes = unhex(one.side === 'relay' ? base.opening : base.answer);
        for (const input of refusedInputs(one, bytes, inputsMax)) {
          const given = new Uint8Array(input);
          const open = async () =>
            one.side === 'relay'
              ? acceptorOf(relay, given).openRequest(given)
              : await (await clientOf(client, base)).openResponse(given);
          expectSame(await outcome(open), one.expect);
        }
      },
    })),
    ...refused.frames.map((one) => ({
      name: `WebSocket frame refused by the ${one.side}: ${one.name}`,
      async run() {
        const base = caseOf(one.base);
        const byRelay = one.side === 'relay';
        const { opener } = byRelay
          ? relayOf(relay, base)
          : await (await clientOf(client, base)).openResponse(unhex(base.answer));
        for (const { sealed } of (byRelay ? base.clientFrames : base.relayFrames).slice(0, one.at)) {
          await opener.open(unhex(sealed as string));
        }
        expectSame(await outcome(() => opener.open(unhex(one.input))), one.expect);
      },
    })),
    ...refused.plaintexts.map(({ name, plaintexts, expect }) => ({
      name: `WebSocket frames opened and refused: ${name}`,
      async run() {
        const reader = new FrameReader();
        const bytes = plaintexts.map((plaintext) => new Uint8Array(plaintextBytes(plaintext)));
        for (const plaintext of bytes.slice(0, -1)) reader.read(plaintext);
        expectSame(await outcome(() => reader.read(bytes[bytes.length - 1] as Bytes)), expect);
      },
    })),
  ];

  async function openAsClient(one: WebSocketCase): Promise<void> {
    const opened = await clientOf(client, one);
    expectSame(hex(opened.header), one.header);
    expectSame(hex(await opened.sealRequest(unhex(one.request))), one.opening);
    const { response, ...keys } = await opened.openResponse(unhex(one.answer));
    expectSame(hex(response), one.response);
    await exchangeFrames(keys, one.clientFrames, one.relayFrames);
  }

  async function acceptAsRelay(one: WebSocketCase): Promise<void> {
    expectSame(hex(acceptorOf(relay, unhex(one.opening)).openRequest(unhex(one.opening))), one.request);
    const { message, ...keys } = relayOf(relay, one);
    expectSame(hex(message), one.answer);
    await exchangeFrames(keys, one.relayFrames, one.clientFrames);
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
    return acceptorOf(provider, unhex(one.opening)).respond(suite, unhex(one.response));
  }
}

function frameOf({ kind, final, data, code, reason }: FrameJson): WebSocketFrame {
  if (kind === 'close') return { kind, code, reason: textOfUtf8(unhex(reason ?? '')) };
  const bytes = new Uint8Array(plaintextBytes(data ?? ''));
  if (kind === 'ping' || kind === 'pong') return { kind, data: bytes };
  return { kind, final: final === true, data: bytes };
}

/** Seals the frames of one direction and reads those of the other. */
async function exchangeFrames(
  { sealer, opener }: WebSocketKeys,
  sent: SealedFrameCase[],
  received: SealedFrameCase[],
): Promise<void> {
  for (const { frame, sealed } of sent) {
    expectSame(outputOf(await sealer.seal(encodeFrame(frameOf(frame)))), sealed);
  }
  const reader = new FrameReader();
  for (const { frame, sealed } of received) {
    if (typeof sealed !== 'string') return; // too long to stand here; what follows cannot be opened without it
    expectSame(hex(encodeFrame(reader.read(await opener.open(unhex(sealed))))), hex(encodeFrame(frameOf(frame))));
  }
}
