// POST /api/mte-pair: reads a pairing request, responds to it and stores the session (SPEC §3).
import type { IncomingMessage } from 'node:http';
import {
  acceptPairing,
  type Bytes,
  CONTENT_TYPE_PAIRING,
  concatBytes,
  equalBytes,
  FLAG_COOKIE_RECORDS,
  LINEAGE_BYTES,
  type OuterCode,
  type PairingRequest,
  parsePairingRequest,
  REPLAY_WINDOW,
  type RelayIdentity,
  SESSION_ID_BYTES,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { outerFailureOf } from '../failure/noted.ts';
import { OuterRefusal, refuse } from '../failure/planes.ts';
import { networkOf } from '../limits/admission.ts';
import type { Deadlines } from '../limits/deadlines.ts';
import { PAIRING_REQUEST_MAX_BYTES, SESSION_LIFETIMES } from '../limits/fixed.ts';
import { PieceList } from '../limits/small-pieces.ts';
import type { Account, HttpExchange } from '../observe/account.ts';
import { NetworkFullError, StoreFullError } from '../sessions/store.ts';
import { giveJarKeys } from './browser-cookies.ts';
import { stored } from './waiting.ts';

/** Of a store that does not vouch for its claims. */
const NO_LINEAGE: Bytes = new Uint8Array(LINEAGE_BYTES);

/** Responds to one pairing request; never rejects. */
export async function pair(context: RelayContext, { req, res }: HttpExchange, account: Account): Promise<void> {
  const { admission } = context;
  admission.pairings += 1;
  res.on('close', () => {
    admission.pairings -= 1;
  });
  try {
    const message = await readBody(req, admission.unproven);
    account.bytesIn = message.length;
    if (account.traces) account.step('pairing request read', { bytes: message.length });
    const reply = await openPairing(context, { req, res }, account, message);
    account.status = 200;
    account.bytesOut = reply.length;
    res.writeHead(200, {
      'content-type': CONTENT_TYPE_PAIRING,
      'content-length': reply.length,
      'cache-control': 'no-store',
    });
    res.end(reply);
  } catch (error) {
    const code = codeOf(context, account, error);
    account.failedOuter(code);
    refuse(res, code);
  }
}

/** The code of a pairing's failure; counts the limit that it met. */
function codeOf(context: RelayContext, account: Account, error: unknown): OuterCode {
  const { limits } = context.metrics;
  if (error instanceof NetworkFullError) {
    limits.SESSIONS_PER_NETWORK_MAX.value += 1;
    return 'too-many';
  }
  if (error instanceof StoreFullError) {
    limits.SESSIONS_MAX.value += 1;
    return 'unavailable';
  }
  const code = outerFailureOf(context, account, error);
  if (code === 'timeout') limits.CLIENT_IDLE_TIMEOUT_MS.value += 1;
  return code;
}

async function openPairing(
  context: RelayContext,
  { req, res }: HttpExchange,
  account: Account,
  message: Bytes,
): Promise<Bytes> {
  const { suite, sessions, settings, clock } = context;
  const request = parsePairingRequest(message);
  // By the authority that the client addressed and authenticated, because an ingress may rewrite Host.
  const domain = context.domains.byHost(request.authority);
  if (!domain) throw new OuterRefusal('domain-unknown');
  if (!domain.cors.allows(req)) throw new OuterRefusal('origin-refused');
  const client = domain.clientIds.issue(Date.now());
  const { reply, parameters, secrets } = await acceptPairing(suite, identityOf(domain, request), request, async () => {
    const birth = await stored(context, account, () => sessions.birth());
    return {
      birth,
      sid: suite.randomBytes(SESSION_ID_BYTES),
      lifetimeMs: SESSION_LIFETIMES.absoluteMs,
      idleMs: SESSION_LIFETIMES.idleMs,
      messageLimit: SESSION_LIFETIMES.messageLimit,
      window: REPLAY_WINDOW,
      requestBodyMaxBytes: settings.REQUEST_BODY_MAX_BYTES,
      storeEpochMs: birth.epochMs,
      storeAgeMs: birth.ageMs,
      lineage: birth.lineage ?? NO_LINEAGE,
      relayTimeMs: clock.nowMs,
      messageAgeMaxMs: settings.MESSAGE_AGE_MAX_MS,
      padToBytes: settings.PAD_TO_BYTES,
      clientId: client.token,
      cookiesFromScript: domain.settings.COOKIES_FROM_SCRIPT,
    };
  });
  const { sid, birth } = parameters;
  const session = {
    sid,
    requestSecret: suite.importExpandKey(secrets.request),
    responseSecret: suite.importExpandKey(secrets.response),
    secrets,
    domain: domain.name,
    authority: request.authority,
    flags: request.flags,
    clientId: client.id,
    network: networkOf(context.trustedProxies.read(req).clientAddress),
  };
  try {
    await stored(context, account, () => sessions.create(session, birth), 'create');
  } finally {
    for (const secret of Object.values(secrets) as Bytes[]) secret.fill(0);
  }
  if ((request.flags & FLAG_COOKIE_RECORDS) !== 0) giveJarKeys(req, res, request.flags);
  account.sid = sid;
  account.clientId = client.id;
  return reply;
}

/** The identity that the request is sealed to; if it is unknown, the newest, which then refuses the request. */
function identityOf({ identities }: Domain, { keyId }: PairingRequest): RelayIdentity {
  return identities.find((identity) => equalBytes(identity.keyId, keyId)) ?? (identities[0] as RelayIdentity);
}

/** Reads the request. Rejects with `timeout` if it is not complete by the deadline of unauthenticated bytes. */
function readBody(req: IncomingMessage, deadlines: Deadlines): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const pending = { expire: () => reject(new OuterRefusal('timeout')) };
    const parts = new PieceList();
    let length = 0;
    deadlines.add(pending);
    req.on('data', (part: Buffer<ArrayBuffer>) => {
      length += part.length;
      if (length <= PAIRING_REQUEST_MAX_BYTES) parts.add(part);
      else reject(new OuterRefusal('too-large'));
    });
    req.on('end', () => resolve(new Uint8Array(concatBytes(parts.take()))));
    const broken = (): void => reject(new OuterRefusal('malformed')); // no effect once it has ended
    req.on('error', broken);
    req.on('close', () => {
      deadlines.delete(pending);
      broken();
    });
  });
}
