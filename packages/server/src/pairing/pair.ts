// POST /api/mte-pair: reads a pairing request, answers it and keeps the session (SPEC §3).
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  acceptPairing,
  type Bytes,
  CONTENT_TYPE_PAIRING,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  parsePairingRequest,
  REPLAY_WINDOW,
  SESSION_ID_BYTES,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { OuterRefusal, outerCodeOf, refuse } from '../http/failure.ts';
import { shortSession } from '../observe/log.ts';
import { SESSION_LIFETIMES, StoreFullError } from '../sessions/store.ts';

/** No pairing request is longer: the two KEM parts, the longest authority, and the small fields with room to spare. */
const REQUEST_MAX_BYTES = KEM_CIPHERTEXT_BYTES + KEM_PUBLIC_KEY_BYTES + 512;

/** Answers one pairing request; never rejects. */
export async function pair(context: RelayContext, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const startedMs = performance.now();
  try {
    const { reply, sid } = await openPairing(context, req, await readBody(req));
    res.writeHead(200, {
      'content-type': CONTENT_TYPE_PAIRING,
      'content-length': reply.length,
      'cache-control': 'no-store',
    });
    res.end(reply);
    context.log.info({ session: shortSession(sid), ms: Math.round(performance.now() - startedMs) }, 'paired');
  } catch (error) {
    const code = error instanceof StoreFullError ? 'unavailable' : outerCodeOf(error);
    if (code === 'internal') context.log.error({ err: error }, 'pairing failed');
    else context.log.debug({ code }, 'pairing refused');
    refuse(res, code);
  }
}

async function openPairing(
  context: RelayContext,
  req: IncomingMessage,
  message: Bytes,
): Promise<{ reply: Bytes; sid: Bytes }> {
  const { suite, sessions, settings } = context;
  const request = parsePairingRequest(message);
  // By the authority that the client addressed and bound into the handshake: an ingress may rewrite Host.
  const domain = context.domains.byHost(request.authority);
  if (!domain) throw new OuterRefusal('domain-unknown');
  if (!domain.cors.allows(req)) throw new OuterRefusal('origin-refused');
  const client = domain.clientIds.issue(Date.now());
  const { reply, parameters, secrets } = await acceptPairing(suite, domain.identity, request, () => ({
    sid: suite.randomBytes(SESSION_ID_BYTES),
    lifetimeMs: SESSION_LIFETIMES.absoluteMs,
    idleMs: SESSION_LIFETIMES.idleMs,
    messageLimit: SESSION_LIFETIMES.messageLimit,
    window: REPLAY_WINDOW,
    requestBodyMaxBytes: settings.REQUEST_BODY_MAX_BYTES,
    storeEpochMs: sessions.epochMs,
    storeAgeMs: sessions.ageMs(),
    clientId: client.token,
  }));
  const { sid } = parameters;
  await sessions.create({
    sid,
    requestSecret: suite.importExpandKey(secrets.request),
    responseSecret: suite.importExpandKey(secrets.response),
    domain: domain.name,
    flags: request.flags,
    clientId: client.id,
  });
  for (const secret of Object.values(secrets) as Bytes[]) secret.fill(0);
  return { reply, sid };
}

async function readBody(req: IncomingMessage): Promise<Bytes> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of req as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > REQUEST_MAX_BYTES) throw new OuterRefusal('too-large');
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}
