// An opened request, once its message is claimed and its head is decoded: the fields that cross to the upstream in the
// client's name, and those of the response that the client gets. The same for exchanges and WebSockets.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Awaitable,
  CLIENT_ID_FIELD,
  FIELD_COUNT_MAX,
  type Fields,
  FLAG_OUTER_COOKIES,
  type RequestHead,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { InnerRefusal, type OwnResponse } from '../failure/planes.ts';
import { annotate, decide, type ExchangeRequest, FieldOverrides, hookRequest } from '../hooks.ts';
import {
  endToEndFields,
  fieldValue,
  isHandshakeField,
  overrideFields,
  upstreamRequestHeaders,
} from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { canonicalTarget, pathOf } from '../http/target.ts';
import { trailerFields } from '../http/trailers.ts';
import { COOKIE_MAX_BYTES } from '../limits/fixed.ts';
import type { Account } from '../observe/account.ts';
import type { Session } from '../sessions/store.ts';
import type { Admitted } from './claim.ts';

/** How a message arrived. */
export interface Arrival {
  readonly req: IncomingMessage;
  readonly account: Account;
  /** The outer response, on which fields can be set; undefined for a WebSocket, whose handshake is over. */
  readonly res: ServerResponse | undefined;
  /** Canonical target of the outer POST; undefined for an endpoint of the relay. */
  readonly visibleTarget: string | undefined;
}

/** An opened request that may be forwarded. */
export class OpenedRequest {
  readonly domain: Domain;
  readonly head: RequestHead;
  /** Method, target and client. */
  readonly requested: ExchangeRequest;
  readonly #context: RelayContext;
  readonly #arrival: Arrival;
  readonly #session: Session;
  /** True if the client sent a client id that is forged or expired. */
  readonly #clientIdRefused: boolean;
  readonly #fields: Fields;
  #overrides: FieldOverrides | undefined;

  /** @throws InnerRefusal for a target, route or method that the relay does not forward. */
  constructor(context: RelayContext, arrival: Arrival, { session, domain }: Admitted, head: RequestHead) {
    this.#context = context;
    this.#arrival = arrival;
    this.#session = session;
    this.domain = domain;
    this.head = head;
    const { clientId, refused } = identifyClient(domain, session, head.headers);
    arrival.account.clientId = clientId;
    this.#clientIdRefused = refused;
    this.requested = { method: head.method, target: authoriseTarget(domain, arrival, head), clientId };
    const fields = endToEndFields(head.headers);
    this.#fields = arrival.res ? fields : fields.filter(([name]) => !isHandshakeField(name));
  }

  /** The onRequest hook's decision; undefined allows the request. Fields that the hook sets are sent upstream. */
  decide(): Awaitable<OwnResponse | undefined> {
    const { hooks, log } = this.#context;
    if (!hooks.onRequest) return undefined;
    this.#overrides = new FieldOverrides();
    return decide(hooks.onRequest, hookRequest(this.domain.name, this.requested, this.#fields, this.#overrides), log);
  }

  /** The fields to send upstream, flat: name, value, name, value. */
  upstreamHeaders(): string[] {
    const { account, req } = this.#arrival;
    const own = this.#overrides?.applyTo(this.#fields) ?? this.#fields;
    const sent = overrideFields(own, this.domain.settings.HEADERS);
    const { chain } = this.#context.trustedProxies.read(req);
    const headers = upstreamRequestHeaders(sent, { chain, scheme: this.head.scheme, host: this.head.authority });
    if (this.#hasOuterCookies) this.#addBrowserFields(sent, headers);
    // A request id inside the seal is between the app and its API, and stays.
    if (fieldValue(sent, REQUEST_ID_FIELD) === undefined) headers.push(REQUEST_ID_FIELD, account.requestId);
    return headers;
  }

  /** Adds the fields that a browser sets on the outer hop: cookies (opened for this client), user agent, origin. */
  #addBrowserFields(inner: Fields, headers: string[]): void {
    const { cookie, origin, 'user-agent': userAgent } = this.#arrival.req.headers;
    const { clientId, target } = this.requested;
    const plain = cookie === undefined ? '' : this.domain.cookies.open(cookie, clientId, pathOf(target));
    if (plain !== '') headers.push('cookie', plain);
    if (userAgent !== undefined && fieldValue(inner, 'user-agent') === undefined) headers.push('user-agent', userAgent);
    if (origin !== undefined && fieldValue(inner, 'origin') === undefined) headers.push('origin', origin);
  }

  /**
   * The upstream's fields for the sealed response. Cookies of a browser are set on the outer response instead, because
   * script must not read them; for a WebSocket they are dropped.
   * @throws InnerRefusal if there are more fields than a client opens.
   */
  fieldsForClient(status: number, fields: readonly (readonly [string, string])[]): Fields {
    const outerCookies: string[] = [];
    const translated: [string, string][] = [];
    const { upstream } = this.domain;
    for (const [name, given] of fields) {
      const value = upstream.clientValues.of(name, given, this.head.authority);
      if (name === 'set-cookie' && this.#hasOuterCookies) outerCookies.push(value);
      else translated.push([name, value]);
    }
    if (outerCookies.length > 0) this.#setOuterCookies(outerCookies);
    // The client then takes the client id of this session for its own.
    if (this.#clientIdRefused) translated.push([CLIENT_ID_FIELD, 'unknown']);
    const { account } = this.#arrival;
    const annotated = annotate(this.#context, account.names(), {
      request: this.requested,
      status,
      headers: translated,
    });
    return openable(overrideFields(annotated, this.domain.settings.HEADERS));
  }

  /** The upstream's trailers for the sealed response. @throws InnerRefusal */
  trailersForClient(trailers: Fields): Fields {
    return openable(trailerFields(trailers, this.domain.settings.HEADERS));
  }

  #setOuterCookies(plain: readonly string[]): void {
    const { account, res, visibleTarget } = this.#arrival;
    if (!res) return;
    const { clientId, target } = this.requested;
    const hiddenPath = visibleTarget === undefined ? pathOf(target) : undefined;
    const sealed = plain.flatMap((cookie) => this.domain.cookies.seal(cookie, clientId, hiddenPath));
    res.setHeader('set-cookie', sealed);
    for (const cookie of sealed) {
      const bytes = cookie.split(';', 1)[0]?.length ?? 0;
      if (bytes <= COOKIE_MAX_BYTES) continue;
      this.#context.log.warn({ ...account.names(), bytes }, 'cookie is larger than browsers accept');
    }
  }

  /** True if cookies of this session travel on the outer hop (SPEC §9.4). */
  get #hasOuterCookies(): boolean {
    return (this.#session.flags & FLAG_OUTER_COOKIES) !== 0;
  }
}

/** The client id that the client proves, or else that of this session (SPEC §3.5). */
function identifyClient(domain: Domain, session: Session, fields: Fields): { clientId: string; refused: boolean } {
  const token = fieldValue(fields, CLIENT_ID_FIELD);
  if (token === undefined) return { clientId: session.clientId, refused: false };
  const proven = domain.clientIds.verify(token, Date.now());
  return { clientId: proven ?? session.clientId, refused: proven === undefined };
}

/** The canonical target, if the relay may forward it. @throws InnerRefusal */
function authoriseTarget({ cors, sealedRoutes }: Domain, { req, visibleTarget }: Arrival, head: RequestHead): string {
  if (head.method === 'CONNECT' || head.method === 'TRACE') throw new InnerRefusal('request-malformed');
  const target = canonicalTarget(head.path);
  if (target === undefined) throw new InnerRefusal('path-refused');
  if (!cors.allowsMethod(req, head.method)) throw new InnerRefusal('method-refused');
  if (sealedRoutes && !sealedRoutes.has(pathOf(target))) throw new InnerRefusal('route-refused');
  if (visibleTarget !== undefined && !agree(visibleTarget, target)) throw new InnerRefusal('path-refused');
  return target;
}

/** True if the visible target is the sealed one, with or without its query. */
function agree(visible: string, target: string): boolean {
  return visible === target || visible === pathOf(target);
}

/** The fields of a response to seal. @throws InnerRefusal if there are more than a client opens. */
function openable(fields: Fields): Fields {
  if (fields.length <= FIELD_COUNT_MAX) return fields;
  throw new InnerRefusal('upstream-failed', { cause: new Error(`more than ${FIELD_COUNT_MAX} fields`) });
}
