// Pairings and sessions for tests, and the whole way of a message on either side.
import { MESSAGE_HEADER_BYTES, MESSAGE_TYPE_EXCHANGE, REPLAY_WINDOW } from '../../src/constants.ts';
import { xwingKeyPairFromSeed } from '../../src/crypto/node.ts';
import type { SessionSecrets } from '../../src/key-schedule.ts';
import {
  type ClientKeys,
  type MessageType,
  parseMessageHeader,
  RequestOpener,
  ResponseSealer,
  SealedExchange,
} from '../../src/message.ts';
import {
  acceptPairing,
  keyIdOf,
  parsePairingRequest,
  type RelayIdentity,
  type SessionParameters,
  startPairing,
} from '../../src/pairing.ts';
import type { Suite, SyncExpandKey, SyncSuite } from '../../src/suite.ts';
import { type Bytes, concatBytes } from '../../src/wire.ts';
import { gather, patternBytes, piecesOf, streamOf } from './bytes.ts';
import { node } from './suites.ts';

export const AUTHORITY = 'relay.example:8443';

export async function identityFrom(seedByte: number): Promise<RelayIdentity> {
  const keyPair = xwingKeyPairFromSeed(new Uint8Array(32).fill(seedByte));
  return { keyPair, keyId: await keyIdOf(node, keyPair.publicKey) };
}

export function parametersWith(sidByte: number): SessionParameters {
  return {
    sid: new Uint8Array(16).fill(sidByte),
    lifetimeMs: 3_600_000,
    idleMs: 900_000,
    messageLimit: 1_048_576,
    window: REPLAY_WINDOW,
    requestBodyMaxBytes: 2 ** 40,
    storeEpochMs: 1_767_225_600_123,
    storeAgeMs: 86_400_001,
    lineage: new Uint8Array(16).fill(9),
    relayTimeMs: 1_795_086_400_000,
    messageAgeMaxMs: 120_000,
    padToBytes: 128,
    clientId: patternBytes(48),
    cookiesFromScript: [],
  };
}

/** A session as the relay holds it. */
export interface RelayKeys {
  readonly sid: Bytes;
  readonly requestSecret: SyncExpandKey;
  readonly responseSecret: SyncExpandKey;
}

export interface Session {
  readonly client: ClientKeys;
  readonly relay: RelayKeys;
  readonly clientSecrets: SessionSecrets;
  readonly relaySecrets: SessionSecrets;
  readonly parameters: SessionParameters;
}

export async function pair(
  identity: RelayIdentity,
  sidByte = 1,
  clientSuite: Suite = node,
  relaySuite: SyncSuite = node,
): Promise<Session> {
  const attempt = await startPairing(clientSuite, identity.keyPair.publicKey, { authority: AUTHORITY });
  const request = parsePairingRequest(attempt.message);
  const accepted = await acceptPairing(relaySuite, identity, request, () => parametersWith(sidByte));
  const { parameters, secrets } = await attempt.finish(accepted.reply);
  return {
    parameters,
    clientSecrets: secrets,
    relaySecrets: accepted.secrets,
    client: {
      sid: parameters.sid,
      requestSecret: await clientSuite.importExpandKey(secrets.request),
      responseSecret: await clientSuite.importExpandKey(secrets.response),
    },
    relay: {
      sid: accepted.parameters.sid,
      requestSecret: relaySuite.importExpandKey(accepted.secrets.request),
      responseSecret: relaySuite.importExpandKey(accepted.secrets.response),
    },
  };
}

/** A request as it stands on the wire: every piece but the last is a chunk, the last is the final chunk. */
export async function sealRequest(
  session: Session,
  n: number,
  pieces: readonly Bytes[],
  type: MessageType = MESSAGE_TYPE_EXCHANGE,
  suite: Suite = node,
): Promise<{ exchange: SealedExchange; message: Bytes; chunks: Bytes[] }> {
  const exchange = await SealedExchange.begin(suite, session.client, type, n);
  const chunks: Bytes[] = [];
  for (const piece of pieces.slice(0, -1)) chunks.push(await exchange.seal(piece));
  chunks.push(await exchange.sealFinal(pieces.at(-1) as Bytes));
  return { exchange, chunks, message: concatBytes([exchange.header, ...chunks]) };
}

/** Opens a request that came in pieces of any size; gives the plaintext once the final chunk has opened. */
export function openRequest(keys: RelayKeys, message: Bytes, pieceBytes: number = Number.POSITIVE_INFINITY): Bytes {
  const header = parseMessageHeader(message);
  const opener = new RequestOpener(keys.requestSecret, header);
  const plaintext: Bytes[] = [];
  for (const piece of piecesOf(message.subarray(MESSAGE_HEADER_BYTES), pieceBytes)) {
    opener.push(piece);
    for (let chunk = opener.next(); chunk; chunk = opener.next()) plaintext.push(chunk);
  }
  plaintext.push(opener.end());
  return concatBytes([new Uint8Array(0), ...plaintext]);
}

export function sealResponse(
  session: Session,
  exchange: SealedExchange,
  pieces: readonly Bytes[],
  suite: SyncSuite = node,
): { message: Bytes; writes: Bytes[] } {
  const sealer = new ResponseSealer(suite, session.relay.responseSecret, parseMessageHeader(exchange.header));
  const writes = pieces.slice(0, -1).map((piece) => sealer.seal(piece));
  writes.push(sealer.sealFinal(pieces.at(-1) as Bytes));
  return { writes, message: concatBytes([new Uint8Array(0), ...writes]) };
}

export function openResponse(exchange: SealedExchange, message: Bytes, pieceBytes = message.length): Promise<Bytes> {
  return gather(exchange.openResponse(streamOf(piecesOf(message, Math.max(1, pieceBytes)))));
}
