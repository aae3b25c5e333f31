// The options of the calls that are migrated from: which are kept, which have nothing to do here, and which would ask for
// something to be left unsealed. Their names are those of the reference's public client packages.
import { RelayClientError } from '../api/errors.ts';

/** Options of {@link initMteRelayClient}: this client's own first, then those that the calls bring along. */
export interface MteRelayClientOptions {
  /**
   * The relays' keys to trust, as `mte-relay-server identity` prints them: one list for every relay, or one by relay,
   * `{ 'https://relay.example.com': ['sha256-…'] }`; then no other origin is called. Default: each relay's first key is
   * trusted and named in the console.
   */
  readonly pins?: readonly string[] | Readonly<Record<string, readonly string[]>>;
  /** Sends the outer requests. Default: the platform's fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Accepted; URLs are sealed always, so `false` is refused. */
  readonly encodeUrls?: boolean;
  /** Accepted; every header is sealed always, so `false` and an empty list are refused. */
  readonly encodeHeaders?: boolean | readonly string[];
  /** Only the empty one: a relay's endpoints are at the root of its origin. */
  readonly pathPrefix?: string;
  /** Without effect: there is no licence. */
  readonly licenseKey?: string;
  /** Without effect: there is no licence. */
  readonly licenseCompany?: string;
  /** Without effect: one session carries any number of requests. */
  readonly numberOfPairs?: number;
  /** Without effect: there is no pool. */
  readonly mtePoolSize?: number;
  /** Without effect: there is no pool. */
  readonly mkePoolSize?: number;
  /** Without effect: there is one kind of seal. */
  readonly encodeType?: 'MTE' | 'MKE';
  /** Without effect: there is one kind of seal. */
  readonly defaultEncodeType?: 'MTE' | 'MKE';
  /** Without effect: a browser's client keeps its identity by itself. */
  readonly storage?: object;
}

/** Options of one {@link mteFetch}. */
export interface MteRequestOptions {
  /** Without effect: there is one kind of seal. */
  readonly encodeType?: 'MTE' | 'MKE';
  /** Accepted; URLs are sealed always, so `false` is refused. */
  readonly encodeUrl?: boolean;
  /** Accepted; every header is sealed always, so `false` and an empty list are refused. */
  readonly encodeHeaders?: boolean | readonly string[];
  /** Without effect: bodies stream wherever the platform can. */
  readonly useStreaming?: boolean;
  /** Only the empty one: a relay's endpoints are at the root of its origin. */
  readonly pathPrefix?: string;
}

const KEPT = ['pins', 'fetch', 'encodeUrls', 'encodeHeaders', 'pathPrefix'];
const WITHOUT_EFFECT = [
  'licenseKey',
  'licenseCompany',
  'numberOfPairs',
  'mtePoolSize',
  'mkePoolSize',
  'encodeType',
  'defaultEncodeType',
  'storage',
];
const PER_REQUEST = ['encodeType', 'encodeUrl', 'encodeHeaders', 'useStreaming', 'pathPrefix'];

/** Names of the options that have no effect. Throws `option-unsupported`. */
export function checkedInitOptions(options: MteRelayClientOptions): string[] {
  const given = namesIn(options);
  refuseOthers(given, [...KEPT, ...WITHOUT_EFFECT]);
  refuseWeaker('encodeUrls', options.encodeUrls);
  refuseCommon(options);
  return given.filter((name) => WITHOUT_EFFECT.includes(name));
}

/** Throws `option-unsupported`: nothing is sent. */
export function checkRequestOptions(options: MteRequestOptions): void {
  refuseOthers(namesIn(options), PER_REQUEST);
  refuseWeaker('encodeUrl', options.encodeUrl);
  refuseCommon(options);
}

function refuseCommon({ encodeHeaders, pathPrefix }: MteRequestOptions): void {
  refuseWeaker('encodeHeaders', Array.isArray(encodeHeaders) ? encodeHeaders.length > 0 : encodeHeaders);
  if (pathPrefix) throw unsupported('pathPrefix', "a relay's endpoints are at the root of its origin");
}

function refuseWeaker(name: string, asked: unknown): void {
  if (asked === undefined || asked === true) return;
  throw unsupported(name, 'everything is sealed, and nothing can be left out of it');
}

/** An option that nobody knows may have been meant to protect something. */
function refuseOthers(given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unsupported(unknown, 'it is not known here');
}

function namesIn(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

function unsupported(name: string, why: string): RelayClientError {
  return new RelayClientError('option-unsupported', `option ${name} cannot be kept: ${why}; leave it out`);
}
