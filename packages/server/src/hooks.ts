// Hooks of a program that embeds the relay: refuse or annotate an opened request before the relay forwards it, annotate
// the response before the relay seals it.
import { type Awaitable, FIELD_VALUE, type Fields, TOKEN } from '@mte-relay/protocol';
import type { OwnResponse } from './failure/planes.ts';
import { plainName } from './http/caller-fields.ts';
import { fieldValue, isFinalStatus } from './http/fields.ts';
import { OwnFields } from './http/own-fields.ts';
import { ADAPTER_TIMEOUT_MS } from './limits/fixed.ts';
import { faultOf } from './observe/fault.ts';
import type { Logger } from './observe/log.ts';
import { isThenable, within } from './timeout.ts';

/** The method, target and client of an exchange. */
export interface ExchangeRequest {
  readonly method: string;
  /** Canonical path and query. */
  readonly target: string;
  /** The client's name across sessions (SPEC §3.5). */
  readonly clientId: string;
}

/** An opened request, before it is forwarded. */
export interface HookRequest extends ExchangeRequest {
  /** Inbound host, or `*`. */
  readonly domain: string;
  /** The client's fields that may cross, and those of a trusted proxy in OUTER_FIELDS_PASSED; names in lower case. */
  readonly headers: Fields;
  /** The value of the first field of this name, in lower case. */
  header(name: string): string | undefined;
  /** Sets a field of the upstream request, in place of the client's. */
  setHeader(name: string, value: string): void;
}

/** A response in place of the upstream's. */
export interface HookRefusal {
  /** 400 to 599. */
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The upstream's response, before it is sealed. */
export interface HookResponse {
  readonly request: ExchangeRequest;
  readonly status: number;
  readonly headers: Fields;
  /** Sets a field of the sealed response, in place of the upstream's. */
  setHeader(name: string, value: string): void;
}

/** Called for sealed exchanges; pass-through requests have no hooks. */
export interface RelayHooks {
  /**
   * Decides on an opened request. The relay seals a returned refusal as the response and does not forward the request.
   * A hook that throws, or has not decided after 60 seconds, refuses the request with 500.
   */
  onRequest?(request: HookRequest): Awaitable<HookRefusal | undefined>;
  /** Called for each response of the upstream. If it throws, the response is sent with the fields that it has set so far. */
  onResponse?(response: HookResponse): void;
}

/** Fields that a hook has set, by name in lower case. */
export class FieldOverrides {
  readonly #set = new Map<string, string>();

  /** @throws RangeError for a name or value that is not valid in a field. */
  set(name: string, value: string): void {
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new RangeError('not a header name and value');
    this.#set.set(name.toLowerCase(), value);
  }

  /** True for the name of a field that is set, or an alias of it. */
  has(name: string): boolean {
    const plain = plainName(name);
    for (const set of this.#set.keys()) if (plainName(set) === plain) return true;
    return false;
  }

  /** The fields with the overrides applied. */
  applyTo(fields: Fields): Fields {
    return new OwnFields([...this.#set]).over(fields);
  }
}

/** @throws RangeError for a refusal that is not a valid response. */
function responseOf(refusal: HookRefusal): OwnResponse {
  if (!isFinalStatus(refusal.status)) throw new RangeError('not a final status');
  const body = new Uint8Array(Buffer.from(refusal.body ?? ''));
  const overrides = new FieldOverrides();
  for (const [name, value] of Object.entries(refusal.headers ?? {})) overrides.set(name, value);
  overrides.set('content-length', String(body.length));
  return { head: { status: refusal.status, headers: overrides.applyTo([]) }, body };
}

/**
 * The hook's decision. A hook that throws, times out, or returns an invalid refusal refuses the request with 500.
 */
export function decide(
  onRequest: NonNullable<RelayHooks['onRequest']>,
  request: HookRequest,
  log: Logger,
  timeoutMs: number = ADAPTER_TIMEOUT_MS,
): Awaitable<OwnResponse | undefined> {
  const decided = (refusal: HookRefusal | undefined): OwnResponse | undefined => refusal && responseOf(refusal);
  const refuse = (error: unknown): OwnResponse => {
    log.error({ fault: faultOf(error) }, 'onRequest hook failed');
    return responseOf(HOOK_FAILED);
  };
  try {
    const decision = onRequest(request);
    // A promise that is not recognised would count as an invalid refusal.
    return isThenable(decision) ? within({ timeoutMs }, decision).then(decided).catch(refuse) : decided(decision);
  } catch (error) {
    return refuse(error);
  }
}

const HOOK_FAILED: HookRefusal = {
  status: 500,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ type: 'about:blank', title: 'The relay could not check the request', status: 500 }),
};

/** The request as the onRequest hook sees it. */
export function hookRequest(
  domain: string,
  request: ExchangeRequest,
  headers: Fields,
  overrides: FieldOverrides,
): HookRequest {
  return {
    ...request,
    domain,
    headers,
    header: (name) => fieldValue(headers, name.toLowerCase()),
    setHeader: (name, value) => overrides.set(name, value),
  };
}

/** The fields of a response with those that the onResponse hook sets, also before it throws. */
export function annotate(
  { hooks, log }: { readonly hooks: RelayHooks; readonly log: Logger },
  names: Readonly<Record<string, string | undefined>>,
  response: { readonly request: ExchangeRequest; readonly status: number; readonly headers: Fields },
): Fields {
  if (!hooks.onResponse) return response.headers;
  const overrides = new FieldOverrides();
  try {
    hooks.onResponse({ ...response, setHeader: (name, value) => overrides.set(name, value) });
  } catch (error) {
    log.error({ ...names, fault: faultOf(error) }, 'onResponse hook failed');
  }
  return overrides.applyTo(response.headers);
}
