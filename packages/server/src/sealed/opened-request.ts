// What an opened request may ask for and in whose name, for exchanges and WebSockets alike (step 5 of relay.ts).
import type { IncomingMessage } from 'node:http';
import { CLIENT_ID_FIELD, type Fields, FLAG_OUTER_COOKIES, type RequestHead } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { InnerRefusal } from '../failure/planes.ts';
import { fieldValue, overrideFields, upstreamRequestHeaders } from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { canonicalTarget, pathOf } from '../http/target.ts';
import type { Session } from '../sessions/store.ts';

/**
 * The canonical target of an opened request that may be forwarded.
 * @param visibleTarget canonical target that the message was posted to, when it was posted to a visible path.
 * @throws InnerRefusal
 */
export function authoriseTarget(
  domain: Domain,
  req: IncomingMessage,
  head: RequestHead,
  visibleTarget: string | undefined,
): string {
  if (head.method === 'CONNECT' || head.method === 'TRACE') throw new InnerRefusal('request-malformed');
  const target = canonicalTarget(head.path);
  if (target === undefined) throw new InnerRefusal('path-refused');
  const { cors, sealedRoutes } = domain;
  if (!cors.allowsMethod(req, head.method)) throw new InnerRefusal('method-refused');
  if (sealedRoutes && !sealedRoutes.has(pathOf(target))) throw new InnerRefusal('route-refused');
  if (visibleTarget !== undefined && !agree(visibleTarget, target)) throw new InnerRefusal('path-refused');
  return target;
}

/** A visible path must be the sealed one; its query may be left out of sight. */
function agree(visible: string, target: string): boolean {
  return visible === target || visible === pathOf(target);
}

/** Who asks. */
export interface ClientName {
  readonly clientId: string;
  /** True when the client claimed another name and could not prove it. */
  readonly refused: boolean;
}

/** The client's name across sessions, when it proves one; else that of this session (SPEC §3.5). */
export function identifyClient(domain: Domain, session: Session, fields: Fields): ClientName {
  const token = fieldValue(fields, CLIENT_ID_FIELD);
  if (token === undefined) return { clientId: session.clientId, refused: false };
  const proven = domain.clientIds.verify(token, Date.now());
  return { clientId: proven ?? session.clientId, refused: proven === undefined };
}

/** Whether cookies of this session ride the outer hop (SPEC §9.4). */
export function hasOuterCookies(session: Session): boolean {
  return (session.flags & FLAG_OUTER_COOKIES) !== 0;
}

/** An opened request, and who sent it. */
export interface Opened {
  readonly domain: Domain;
  readonly session: Session;
  readonly clientId: string;
  readonly req: IncomingMessage;
  readonly head: RequestHead;
  /** Canonical. */
  readonly target: string;
  readonly requestId: string;
}

/** The fields to send upstream, flat. @param fields the end-to-end ones of the request, hooks heard. */
export function upstreamHeaders(context: RelayContext, opened: Opened, fields: Fields): string[] {
  const { domain, head, requestId, req } = opened;
  const sent = overrideFields(fields, domain.settings.HEADERS);
  const { chain } = context.trustedProxies.read(req);
  const headers = upstreamRequestHeaders(sent, { chain, scheme: head.scheme, host: head.authority });
  addBrowserFields(opened, sent, headers);
  // The app's own, inside the seal, is between the app and its API.
  if (fieldValue(sent, REQUEST_ID_FIELD) === undefined) headers.push(REQUEST_ID_FIELD, requestId);
  return headers;
}

/** Adds what a browser itself says on the outer hop: its cookies (opened for this client), its name, its page's origin. */
function addBrowserFields(opened: Opened, inner: Fields, headers: string[]): void {
  const { domain, session, clientId, req, target } = opened;
  if (!hasOuterCookies(session)) return; // no browser: what its HTTP library says outside is not the app's word
  const { cookie, origin, 'user-agent': userAgent } = req.headers;
  const plain = cookie === undefined ? '' : domain.cookies.open(cookie, clientId, pathOf(target));
  if (plain !== '') headers.push('cookie', plain);
  if (userAgent !== undefined && fieldValue(inner, 'user-agent') === undefined) headers.push('user-agent', userAgent);
  if (origin !== undefined && fieldValue(inner, 'origin') === undefined) headers.push('origin', origin);
}
