// An opened request, once its message is claimed and its head is decoded: the fields that cross to the upstream in the
// client's name, and those of the response that the client gets. The same for exchanges and WebSockets.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Awaitable,
  FIELD_COUNT_MAX,
  type Fields,
  FLAG_COOKIE_RECORDS,
  OWN_FIELDS,
  type RequestHead,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { type Domain, isSetByOthers } from '../domain.ts';
import { InnerRefusal, type OwnResponse } from '../failure/planes.ts';
import { annotate, decide, type ExchangeRequest, FieldOverrides, hookRequest } from '../hooks.ts';
import { endToEndFields, fieldValue, isHandshakeField, upstreamRequestHeaders } from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { canonicalTarget, pathOf } from '../http/target.ts';
import { trailerFields } from '../http/trailers.ts';
import type { Account } from '../observe/account.ts';
import type { Session } from '../sessions/store.ts';
import { requireRecent } from './age.ts';
import { BrowserCookies } from './browser-cookies.ts';
import type { Admitted } from './claim.ts';
import type { ClientIdentity } from './client-identity.ts';

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
  /** Of the pairing. */
  readonly #authority: string;
  readonly #identity: ClientIdentity;
  readonly #fields: Fields;
  /** Undefined unless the client is a browser. */
  readonly #cookies: BrowserCookies | undefined;
  #overrides: FieldOverrides | undefined;

  /** @throws InnerRefusal for a request that is too old, an authority, target, route or method that the relay does not forward, and for a loop. */
  constructor(
    context: RelayContext,
    arrival: Arrival,
    { session, domain }: Admitted,
    identity: ClientIdentity,
    head: RequestHead,
  ) {
    this.#context = context;
    this.#arrival = arrival;
    this.domain = domain;
    this.head = head;
    requireRecent(context, head.headers);
    requireAuthority(session, head);
    this.#authority = session.authority;
    if (domain.via.isIn(head.headers)) throw new InnerRefusal('loop-detected');
    this.#identity = identity;
    const { clientId } = identity;
    const target = authoriseTarget(domain, arrival, head);
    this.requested = { method: head.method, target, clientId };
    const fields = endToEndFields(head.headers);
    const own = arrival.res ? fields : fields.filter(([name]) => !isHandshakeField(name));
    this.#fields = domain.crossing.sealed(own, arrival.req, context.trustedProxies);
    if ((session.flags & FLAG_COOKIE_RECORDS) !== 0) {
      const { req, res } = arrival;
      this.#fields = this.#fields.filter(([name]) => name !== 'cookie'); // a browser's client has none of its own
      this.#cookies = new BrowserCookies({ domain, session, clientId, head, target, req, res, log: context.log });
    }
  }

  /** The onRequest hook's decision; undefined allows the request. Fields that the hook sets are sent upstream. */
  decide(): Awaitable<OwnResponse | undefined> {
    const { hooks, log } = this.#context;
    if (!hooks.onRequest) return undefined;
    this.#overrides = new FieldOverrides();
    const fields = this.#fields.filter(([name]) => !OWN_FIELDS.has(name));
    return decide(hooks.onRequest, hookRequest(this.domain.name, this.requested, fields, this.#overrides), log);
  }

  /** The fields to send upstream, flat: name, value, name, value. */
  upstreamHeaders(): string[] {
    const { account, req } = this.#arrival;
    const own = this.#overrides?.applyTo(this.#fields) ?? this.#fields;
    const sent = this.domain.requestFields.over(own);
    const { chain } = this.#context.trustedProxies.read(req);
    const way = { chain, scheme: this.head.scheme, host: this.#authority };
    const headers = upstreamRequestHeaders(sent, way, this.domain.via);
    const cookie = this.#cookies?.header() ?? '';
    if (cookie !== '') headers.push('cookie', cookie);
    // A request id inside the seal is between the app and its API, and stays.
    if (fieldValue(sent, REQUEST_ID_FIELD) === undefined) headers.push(REQUEST_ID_FIELD, account.requestId);
    return headers;
  }

  /** True for a name that the client's trailers may not have: that of a hook's field, of the operator's or of a proxy's. */
  isOthers(name: string): boolean {
    return isSetByOthers(this.domain, name) || this.#overrides?.has(name) === true;
  }

  /**
   * The upstream's fields for the sealed response. Cookies of a browser are records instead.
   * @throws InnerRefusal if there are more fields than a client opens.
   */
  fieldsForClient(status: number, fields: readonly (readonly [string, string])[]): Fields {
    const translated: [string, string][] = [];
    const { responseFields, upstream, via } = this.domain;
    for (const [name, given] of fields) translated.push([name, upstream.clientValues.of(name, given, this.#authority)]);
    const kept = this.#cookies ? this.#withRecords(this.#cookies, translated) : translated;
    for (const [name, value] of this.#identity.stated) kept.push([name, value]);
    // Optional in responses: it makes no response larger than a client opens.
    if (kept.length + responseFields.fields.length < FIELD_COUNT_MAX) kept.push(['via', via.value]);
    const { account } = this.#arrival;
    const annotated = annotate(this.#context, account.names(), {
      request: this.requested,
      status,
      headers: kept,
    });
    return openable(responseFields.over(annotated));
  }

  /** The fields with cookie records in place of `set-cookie`. */
  #withRecords(cookies: BrowserCookies, fields: readonly [string, string][]): [string, string][] {
    const isSetCookie = ([name]: readonly [string, string]): boolean => name === 'set-cookie';
    const setCookies = fields.filter(isSetCookie).map(([, value]) => value);
    const clears = fields.some(([name, value]) => name === 'clear-site-data' && CLEARS_COOKIES.test(value));
    const others = fields.filter((field) => !isSetCookie(field));
    return [...others, ...cookies.take(setCookies, clears)];
  }

  /** The fields of an informational response, which sets no cookies. */
  informationalFields(fields: Fields): Fields {
    return this.#cookies ? fields.filter(([name]) => name !== 'set-cookie') : fields;
  }

  /** The upstream's trailers for the sealed response. @throws InnerRefusal */
  trailersForClient(trailers: Fields): Fields {
    return openable(trailerFields(trailers, (name) => this.domain.responseFields.has(name)));
  }
}

/** W3C Clear Site Data §3.1. */
const CLEARS_COOKIES = /"(?:cookies|\*)"/;

/** Requires the authority of the pairing, by which the domain was found; an empty one stands for it. @throws InnerRefusal */
function requireAuthority({ authority }: Session, head: RequestHead): void {
  if (head.authority === '' || head.authority === authority) return;
  if (head.authority.toLowerCase() !== authority.toLowerCase()) throw new InnerRefusal('request-malformed');
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
