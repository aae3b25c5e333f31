// The options of the reference product's public client packages: which apply, which have no effect, and which would leave
// something unsealed.
import { RelayClientError } from '../api/errors.ts';

/** Options of {@link initMteRelayClient}: this client's own first, then those of the reference product. */
export interface MteRelayClientOptions {
  /**
   * Relay keys to trust, as `mte-relay-server identity` prints them: one list for every relay, or one per relay,
   * `{ 'https://relay.example.com': ['sha256-…'] }`, which refuses all other origins. Default: the client trusts each
   * relay's first key and logs it to the console.
   */
  readonly pins?: readonly string[] | Readonly<Record<string, readonly string[]>>;
  /** Sends the outer requests. Default: the platform's fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Accepted. URLs are always sealed, so `false` is refused. */
  readonly encodeUrls?: boolean;
  /** Accepted. All headers are always sealed, so `false` and an empty list are refused. */
  readonly encodeHeaders?: boolean | readonly string[];
  /** Only an empty prefix: a relay's endpoints are at the root of its origin. */
  readonly pathPrefix?: string;
  /** Without effect: the client does not need a licence. */
  readonly licenseKey?: string;
  /** Without effect: the client does not need a licence. */
  readonly licenseCompany?: string;
  /** Without effect: one session carries any number of requests. */
  readonly numberOfPairs?: number;
  /** Without effect: the client does not use a pool. */
  readonly mtePoolSize?: number;
  /** Without effect: the client does not use a pool. */
  readonly mkePoolSize?: number;
  /** Without effect: there is one kind of seal. */
  readonly encodeType?: 'MTE' | 'MKE';
  /** Without effect: there is one kind of seal. */
  readonly defaultEncodeType?: 'MTE' | 'MKE';
  /** Without effect: in browsers the client stores its identity itself. */
  readonly storage?: object;
}

/** Options of one {@link mteFetch}. */
export interface MteRequestOptions {
  /** Without effect: there is one kind of seal. */
  readonly encodeType?: 'MTE' | 'MKE';
  /** Accepted. URLs are always sealed, so `false` is refused. */
  readonly encodeUrl?: boolean;
  /** Accepted. All headers are always sealed, so `false` and an empty list are refused. */
  readonly encodeHeaders?: boolean | readonly string[];
  /** Without effect: bodies are streamed wherever the platform can. */
  readonly useStreaming?: boolean;
  /** Only an empty prefix: a relay's endpoints are at the root of its origin. */
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

/** Names of the given options that have no effect. Throws `option-unsupported`. */
export function checkedInitOptions(options: MteRelayClientOptions): string[] {
  const given = namesIn(options);
  refuseOthers(given, [...KEPT, ...WITHOUT_EFFECT]);
  refuseWeaker('encodeUrls', options.encodeUrls);
  refuseCommon(options);
  return given.filter((name) => WITHOUT_EFFECT.includes(name));
}

/** Throws `option-unsupported`. */
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
  throw unsupported(name, 'everything is always sealed');
}

/** Refuses unknown options, because they may be meant to protect something. */
function refuseOthers(given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unsupported(unknown, 'it is unknown');
}

function namesIn(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

function unsupported(name: string, why: string): RelayClientError {
  return new RelayClientError('option-unsupported', `option ${name} cannot be kept: ${why}; leave it out`);
}
