// What a program that embeds the relay may do to an exchange: refuse or annotate the opened request before it is
// forwarded, annotate the answer before it is sealed.
import { type Awaitable, FIELD_VALUE, type Fields, TOKEN } from '@mte-relay/protocol';
import type { OwnResponse } from './failure/planes.ts';
import { fieldValue, isFinalStatus, overrideFields } from './http/fields.ts';
import { ADAPTER_TIMEOUT_MS } from './limits/fixed.ts';
import { faultOf } from './observe/fault.ts';
import type { Logger } from './observe/log.ts';
import { isThenable, within } from './timeout.ts';

/** What an exchange asks for, and who asks. */
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
  /** The client's own fields, names in lower case. */
  readonly headers: Fields;
  /** The value of the first field of this name, in lower case. */
  header(name: string): string | undefined;
  /** Sets a field of the upstream request, in place of whatever the client said under that name. */
  setHeader(name: string, value: string): void;
}

/** An answer that takes the upstream's place. */
export interface HookRefusal {
  /** 400 to 599. */
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The upstream's answer, before it is sealed. */
export interface HookResponse {
  readonly request: ExchangeRequest;
  readonly status: number;
  readonly headers: Fields;
  /** Sets a field of the sealed answer, in place of the upstream's. */
  setHeader(name: string, value: string): void;
}

/** Called for sealed exchanges; pass-through requests have no hooks. */
export interface RelayHooks {
  /**
   * Decides on an opened request. What it returns is answered instead of forwarding, inside the seal.
   * One that throws refuses the request with 500, and so does one that has not decided after 60 seconds: a check that
   * failed has not been passed.
   */
  onRequest?(request: HookRequest): Awaitable<HookRefusal | undefined>;
  /** Sees each answer of the upstream; one that throws changes nothing. */
  onResponse?(response: HookResponse): void;
}

/** Fields that a hook has set, by name in lower case. */
export class FieldOverrides {
  readonly #set = new Map<string, string>();

  /** Throws RangeError for what is no field. */
  set(name: string, value: string): void {
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new RangeError('not a header name and value');
    this.#set.set(name.toLowerCase(), value);
  }

  /** The fields with the overrides in their place. */
  applyTo(fields: Fields): Fields {
    return overrideFields(fields, [...this.#set]);
  }
}

/** Throws for what is no answer. */
function refusalAnswer(refusal: HookRefusal): OwnResponse {
  if (!isFinalStatus(refusal.status)) throw new RangeError('not a status of an answer');
  const body = new Uint8Array(Buffer.from(refusal.body ?? ''));
  const overrides = new FieldOverrides();
  for (const [name, value] of Object.entries(refusal.headers ?? {})) overrides.set(name, value);
  overrides.set('content-length', String(body.length));
  return { head: { status: refusal.status, headers: overrides.applyTo([]) }, body };
}

/**
 * The hook's word; a hook that fails refuses, and so does one whose refusal is none that can be answered, or that says
 * nothing in time.
 */
export function decide(
  onRequest: NonNullable<RelayHooks['onRequest']>,
  request: HookRequest,
  log: Logger,
  timeoutMs: number = ADAPTER_TIMEOUT_MS,
): Awaitable<OwnResponse | undefined> {
  const answerOf = (refusal: HookRefusal | undefined): OwnResponse | undefined => refusal && refusalAnswer(refusal);
  const refuse = (error: unknown): OwnResponse => {
    log.error({ fault: faultOf(error) }, 'the onRequest hook failed');
    return refusalAnswer(HOOK_FAILED);
  };
  try {
    const decision = onRequest(request);
    // A promise that is not seen as one would be taken for a refusal that is none.
    return isThenable(decision) ? within({ timeoutMs }, decision).then(answerOf).catch(refuse) : answerOf(decision);
  } catch (error) {
    return refuse(error);
  }
}

const HOOK_FAILED: HookRefusal = {
  status: 500,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ type: 'about:blank', title: 'The relay could not check the request', status: 500 }),
};

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

/** The fields of an answer with what the hook sets. A hook that fails sets nothing. */
export function annotate(
  { hooks, log }: { readonly hooks: RelayHooks; readonly log: Logger },
  names: Readonly<Record<string, string | undefined>>,
  answered: { readonly request: ExchangeRequest; readonly status: number; readonly headers: Fields },
): Fields {
  if (!hooks.onResponse) return answered.headers;
  const overrides = new FieldOverrides();
  try {
    hooks.onResponse({ ...answered, setHeader: (name, value) => overrides.set(name, value) });
  } catch (error) {
    log.error({ ...names, fault: faultOf(error) }, 'the onResponse hook failed');
  }
  return overrides.applyTo(answered.headers);
}
