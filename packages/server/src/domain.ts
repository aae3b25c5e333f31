// An inbound domain: an upstream with its identity, rules and secrets. Most relays have one.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  PATH_EXCHANGE,
  PATH_PAIR,
  PROTOCOL_VERSION,
  type RelayIdentity,
  SUITE_ID,
  type SyncSuite,
} from '@mte-relay/protocol';
import { ANY_HOST } from './config/load.ts';
import type { DomainSettings, Settings } from './config/settings.ts';
import { Cors } from './http/cors.ts';
import { Crossing } from './http/crossing.ts';
import type { TrustedProxies } from './http/forwarding.ts';
import { OwnFields } from './http/own-fields.ts';
import { canonicalTarget, pathOf, RouteSet } from './http/target.ts';
import { Via } from './http/via.ts';
import { ClientIds } from './secrets/client-id.ts';
import { CookieRecords } from './secrets/cookie-records.ts';
import { pinOf, relayIdentities } from './secrets/identity.ts';
import { Upstream } from './upstream/pool.ts';

/** An inbound domain. */
export interface Domain {
  /** Inbound host in lower case, or `*`. */
  readonly name: string;
  readonly settings: DomainSettings;
  /** What the operator adds to requests: HEADERS and REQUEST_HEADERS. */
  readonly requestFields: OwnFields;
  /** What the operator adds to responses: HEADERS and RESPONSE_HEADERS. */
  readonly responseFields: OwnFields;
  /** Which fields of requests cross, by who has set them. */
  readonly crossing: Crossing;
  readonly via: Via;
  /** Newest first; more than one during a rotation of secrets. */
  readonly identities: readonly RelayIdentity[];
  /** Pins that clients trust, one per identity. */
  readonly pins: readonly [string, ...string[]];
  readonly clientIds: ClientIds;
  readonly upstream: Upstream;
  readonly cookies: CookieRecords;
  /** Names of outer cookies that were not forwarded, each logged once. */
  readonly droppedCookies: Set<string>;
  readonly cors: Cors;
  readonly passThroughRoutes: RouteSet;
  /** Undefined if every path is allowed. */
  readonly sealedRoutes: RouteSet | undefined;
  /** The discovery document. */
  readonly discovery: Buffer;
}

/** Every domain, and how a request finds its own. */
export class Domains {
  readonly #byName: ReadonlyMap<string, Domain>;
  readonly #any: Domain | undefined;
  readonly #everyOrigin: Cors;

  constructor(suite: SyncSuite, settings: Settings) {
    const entries = [...settings.domains].map(
      ([name, own]) => [name, createDomain(suite, name, own, settings)] as const,
    );
    this.#byName = new Map(entries);
    this.#any = this.#byName.get(ANY_HOST);
    const all = [...settings.domains.values()];
    this.#everyOrigin = new Cors(
      all.flatMap((domain) => domain.CORS_ORIGINS),
      all.flatMap((domain) => domain.CORS_METHODS),
    );
  }

  /** All domains. */
  all(): Iterable<Domain> {
    return this.#byName.values();
  }

  /** The domain of a request: by the host that a trusted proxy reports, or by its own Host. */
  byRequest(req: IncomingMessage, proxies: TrustedProxies): Domain | undefined {
    return this.#any ?? this.byHost(proxies.read(req).host);
  }

  /** The domain of a `Host` or authority, with or without its port. */
  byHost(host: string | undefined): Domain | undefined {
    if (this.#any) return this.#any;
    if (host === undefined) return undefined;
    const name = host.toLowerCase();
    return this.#byName.get(name) ?? this.#byName.get(name.replace(/:\d+$/, ''));
  }

  /** True for a request on a pass-through route of its domain. */
  passThrough(req: IncomingMessage, proxies: TrustedProxies): boolean {
    const target = canonicalTarget(req.url as string);
    return target !== undefined && this.byRequest(req, proxies)?.passThroughRoutes.has(pathOf(target)) === true;
  }

  /** The domain that a session belongs to. */
  byName(name: string): Domain | undefined {
    return this.#byName.get(name);
  }

  /** The CORS rules of a domain; if it is unknown (an ingress may rewrite Host), those of all domains together. */
  corsOf(domain: Domain | undefined): Cors {
    return domain?.cors ?? this.#everyOrigin;
  }
}

/** Sets HEADERS and RESPONSE_HEADERS; the response may replace them later. */
export function setOwnHeaders(domain: Domain, res: ServerResponse): void {
  for (const [name, value] of domain.responseFields.fields) res.setHeader(name, value);
}

/** True for a name that a client's trailer may not have: the operator's or a trusted proxy's field. */
export function isSetByOthers({ requestFields, crossing }: Domain, name: string): boolean {
  return requestFields.has(name) || crossing.isProxys(name);
}

function createDomain(suite: SyncSuite, name: string, own: DomainSettings, settings: Settings): Domain {
  const identities = relayIdentities(own);
  const pins = identities.map(pinOf) as [string, ...string[]];
  return {
    name,
    settings: own,
    requestFields: new OwnFields(own.HEADERS, own.REQUEST_HEADERS),
    responseFields: new OwnFields(own.HEADERS, own.RESPONSE_HEADERS),
    crossing: new Crossing(own.REQUEST_FIELDS_TRUSTED, own.OUTER_FIELDS_PASSED),
    via: new Via(pins[0], name),
    identities,
    pins,
    clientIds: new ClientIds(own.CLIENT_ID_SECRET),
    upstream: new Upstream(own, settings),
    cookies: new CookieRecords(suite, own.CLIENT_ID_SECRET),
    droppedCookies: new Set(),
    cors: new Cors(own.CORS_ORIGINS, own.CORS_METHODS),
    passThroughRoutes: new RouteSet(own.PASS_THROUGH_ROUTES),
    sealedRoutes: own.MTE_ROUTES && new RouteSet(own.MTE_ROUTES),
    discovery: discoveryDocument(identities),
  };
}

/** Contains nothing that could weaken a client: limits and rules travel sealed, in the pairing (SPEC §9.1). */
function discoveryDocument(identities: readonly RelayIdentity[]): Buffer {
  const keys = identities.map(({ keyId, keyPair }) => ({
    keyId: Buffer.from(keyId).toString('hex'),
    publicKey: Buffer.from(keyPair.publicKey).toString('base64'),
  }));
  return Buffer.from(
    JSON.stringify({
      versions: [PROTOCOL_VERSION],
      suite: SUITE_ID,
      ...keys[0],
      ...(keys.length > 1 ? { keys } : {}),
      endpoints: { pair: PATH_PAIR, exchange: PATH_EXCHANGE },
    }),
  );
}
