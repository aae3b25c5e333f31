// Safe resend (SPEC §7): when the client may resend a request without running it twice.
//
// An outer refusal, a reset or an unreadable response does not prove that a request never ran: an intermediary can
// forward a request, drop its response and forge any of them. It can also hold the request back and deliver it later. So
// the client resends a request only if
//   a) its method is safe (RFC 9110 §9.2.1), or
//   b) no byte of it left this machine, or
//   c) the relay confirms, sealed, that its number is claimed: by this cancel ("cancelled"), so that it never ran and never
//      will; or before ("already claimed"), which is enough for an idempotent request of one chunk, or
//   d) the relay has lost the session, and a new pairing proves that the relay's store is newer than that session and
//      existed before the request was first sent, or
//   e) the relay refuses it, sealed, as too old.
// Otherwise the call fails with `may-have-run`. Retries are bounded, and the client never sends anything unsealed. A
// request whose call ends without a response is cancelled in the background, so that it does not run later.
import { INNER_FAILURE_FIELD, isIdempotent, isSafe, type ResponseHead, TIME_FIELD } from '@mte-relay/protocol';
import { ignore, onAbort, orAborted, pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import { type OuterFailure, outerError } from '../outer/transport.ts';
import type { Platform } from '../platform/platform.ts';
import { fieldOf } from '../platform/response-parts.ts';
import { type Instant, now } from '../session/clock.ts';
import type { SentCookies } from '../session/cookies.ts';
import type { Lease, Session, Sessions } from '../session/session.ts';
import { attempt, cancel, type ExchangeContext, InnerResponse } from './exchange.ts';
import type { InnerRequest } from './seal.ts';

/** Resends of one call, for any reason. */
const RESENDS_MAX = 2;
/** Pairings that one call may cause. */
const REPAIRS_MAX = 1;
/** A call waits for a Retry-After of at most this, once. */
const WAIT_MAX_MS = 5_000;
/** Pause before a resend without Retry-After. */
const RESEND_PAUSE_MS = 50;
/** Pause between two cancels. */
const CANCEL_PAUSE_MS = 250;
/** Cancels of calls that have ended: each takes at most this long, and more at once are dropped. */
const ABANDONED_MAX_MS = 10_000;
const ABANDONED_MAX = 256;

/** Refusals that may be temporary. The others reject this very request. */
const PASSING = new Set([401, 408, 409, 425, 429, 500, 502, 503, 504]);

/** What the client's own fields depend on. */
export type OwnFacts = Pick<InnerRequest, 'hasCredentials' | 'sameSite' | 'keepalive'>;

/** The dependencies of {@link send}. */
export interface SendContext extends ExchangeContext {
  readonly platform: Platform;
  readonly sessions: Sessions;
  /** Aborts when the client closes. */
  readonly closing: AbortSignal;
  /** The client's own fields in a message of this session: its identity and its cookies. */
  ownFields(session: Session, request: OwnFacts): Promise<SentCookies>;
  /** Takes what a response says of identity and cookies, before the caller sees it. */
  onResponse(session: Session, head: ResponseHead, sent: SentCookies): Promise<void>;
  onResend(request: InnerRequest, reason: string): void;
  /** Cancels of calls that have ended, in progress. */
  abandoned: number;
}

/**
 * Sends a request until it has an authenticated response or must not be resent.
 * @param signal ends it at any phase, with its own reason; so does the client's end.
 * @param hasRun true after a redirect, because the request before it has run.
 */
export async function send(
  context: SendContext,
  request: InnerRequest,
  signal: AbortSignal | undefined,
  hasRun = false,
): Promise<InnerResponse> {
  const { closing } = context;
  const abort = new AbortController();
  let call: Call | undefined = new Call(context, request, abort.signal, hasRun);
  const unlisten = [
    onAbort(signal, () => abort.abort(signal?.reason)),
    onAbort(closing, () => abort.abort(call?.mayHaveRun === false ? closing.reason : withMayHaveRun(closing.reason))),
  ];
  const release = (): void => {
    for (const end of unlisten) end();
  };
  try {
    for (;;) {
      const outcome = await call.attempt();
      if (!(outcome instanceof InnerResponse)) await call.prepareResend(outcome);
      else if (!(await call.mayResendStale(outcome))) {
        call.requireTruth(outcome);
        call = undefined; // a response that is read for long does not hold its request's body
        outcome.onEnd = release; // until then the signals end the response's body
        return outcome;
      }
    }
  } catch (error) {
    release();
    call?.abandon();
    throw error;
  }
}

/** The relay's time in its refusal of a request that was too old; undefined for any other response. */
export function staleSince({ headers }: ResponseHead): number | undefined {
  if (fieldOf(headers, INNER_FAILURE_FIELD) !== 'request-stale') return undefined;
  const statedMs = Number(fieldOf(headers, TIME_FIELD));
  return Number.isNaN(statedMs) ? undefined : statedMs;
}

/** What is known of a message without a response; undefined: nothing. */
type Evidence = 'never-ran' | 'claimed' | undefined;

class Call {
  readonly #context: SendContext;
  readonly #request: InnerRequest;
  readonly #signal: AbortSignal;
  readonly #what: string;
  readonly #safe: boolean;
  #lease: Lease | undefined;
  /** The message that may still run: sent, and neither responded to nor known to be claimed. */
  #open: Lease | undefined;
  #firstSentAt: Instant | undefined;
  /** An earlier message of this call was claimed, and has perhaps run. */
  #claimed = false;
  #mayHaveRun: boolean;
  #resends = 0;
  #repairs = 0;
  #waits = 0;
  #replaced: Session | undefined;

  constructor(context: SendContext, request: InnerRequest, signal: AbortSignal, hasRun: boolean) {
    this.#context = context;
    this.#request = request;
    this.#signal = signal;
    this.#mayHaveRun = hasRun;
    this.#safe = isSafe(request.head.method);
    this.#what = `${request.head.method} ${request.head.path.replace(/\?.*/, '')}`;
  }

  /** False while it is certain that nothing of it has run or will. */
  get mayHaveRun(): boolean {
    return this.#mayHaveRun || this.#open !== undefined;
  }

  async attempt(): Promise<InnerResponse | OuterFailure> {
    const context = this.#context;
    const signal = this.#signal;
    signal.throwIfAborted();
    const lease = await this.#leaseNumber();
    const { session, n } = lease;
    const abort = new AbortController();
    onAbort(signal, () => abort.abort(signal.reason)); // as long as the call
    let response: InnerResponse | undefined;
    try {
      signal.throwIfAborted();
      const own = await context.ownFields(session, this.#request);
      signal.throwIfAborted();
      this.#open = lease;
      const result = await attempt(context, lease, this.#request, own.fields, abort);
      if (!(result instanceof InnerResponse)) return result;
      response = result;
      this.#open = undefined;
      await context.onResponse(session, result.head, own);
      return response;
    } finally {
      session.settle(n, response !== undefined);
      if (!response) abort.abort(); // ends an upload that is still running
    }
  }

  /** Resolves when the request may be resent; otherwise throws. */
  async prepareResend(failure: OuterFailure): Promise<void> {
    const evidence = await this.#evidence(failure);
    if (evidence) this.#open = undefined;
    if (evidence !== 'never-ran') this.#mayHaveRun = true;
    if (evidence === 'claimed') this.#claimed = true;
    if (!this.#mayResend(evidence)) throw this.#mayHaveRunError(failure);
    const passing = failure.kind !== 'refused' || PASSING.has(failure.status ?? 0);
    if (!passing || !this.#canResend) throw this.#error(failure);
    this.#resends += 1;
    if (failure.status === 401) await this.#replaceSession(failure);
    else await this.#wait(failure);
    this.#context.onResend(this.#request, `${failure.status ?? failure.kind}`);
  }

  /**
   * True if the response refuses the request as too old and the request can be sent anew, by the relay's time.
   * @throws `may-have-run` where the refusal proves nothing.
   */
  async mayResendStale(response: InnerResponse): Promise<boolean> {
    const relayTimeMs = staleSince(response.head);
    if (relayTimeMs === undefined) return false;
    const { session } = this.#lease as Lease;
    session.relayTimeMs = relayTimeMs;
    if (!session.vouches && !this.#safe) {
      this.#mayHaveRun = this.#claimed = true;
      if (!this.#mayResend('claimed')) {
        response.cancel(undefined);
        throw this.#mayHaveRunError({ kind: 'refused', status: response.head.status, outerCode: 'request-stale' });
      }
    }
    if (!this.#canResend) return false;
    await response.skip();
    this.#resends += 1;
    this.#context.onResend(this.#request, 'request-stale');
    return true;
  }

  /**
   * The relay's own failure speaks of the last message alone: the upstream may have seen an earlier one.
   * @throws `may-have-run`
   */
  requireTruth(response: InnerResponse): void {
    const outerCode = fieldOf(response.head.headers, INNER_FAILURE_FIELD);
    if (!this.#claimed || outerCode === undefined) return;
    response.cancel(undefined);
    throw this.#mayHaveRunError({ kind: 'refused', status: response.head.status, outerCode });
  }

  /** Cancels, in the background, a message that may still run although its call has ended. */
  abandon(): void {
    const context = this.#context;
    const lease = this.#open;
    if (!lease || this.#safe || context.abandoned >= ABANDONED_MAX) return;
    context.abandoned += 1;
    cancel(context, lease, this.#request.credentials, AbortSignal.timeout(ABANDONED_MAX_MS))
      .catch(ignore)
      .finally(() => {
        context.abandoned -= 1;
      });
  }

  get #canResend(): boolean {
    const { body } = this.#request;
    return (!body || body.replayable) && this.#resends < RESENDS_MAX;
  }

  /** The rule above. A message in pieces may be claimed and still be arriving, so that only "cancelled" ends it. */
  #mayResend(evidence: Evidence): boolean {
    if (this.#safe || evidence === 'never-ran') return true;
    return evidence === 'claimed' && isIdempotent(this.#request.head.method) && !this.#lease?.inPieces;
  }

  async #leaseNumber(): Promise<Lease> {
    try {
      this.#lease = await this.#context.sessions.lease(this.#signal);
    } catch (error) {
      throw this.#mayHaveRun ? withMayHaveRun(error) : error;
    }
    this.#firstSentAt ??= now();
    return this.#lease;
  }

  /** Proof (b), (c) or (d). A safe method does not need one. */
  async #evidence(failure: OuterFailure): Promise<Evidence> {
    if (failure.neverSent) return 'never-ran';
    if (this.#safe) return undefined;
    const lease = this.#lease as Lease;
    for (let tries = 0; ; tries += 1) {
      const cancelled = await cancel(this.#context, lease, this.#request.credentials, this.#signal);
      if (typeof cancelled === 'boolean') return cancelled && lease.session.vouches ? 'never-ran' : 'claimed';
      if (cancelled.status === 401) return (await this.#storeWasLost(lease.session, failure)) ? 'never-ran' : undefined;
      if (tries > 0) throw this.#mayHaveRunError(failure, outerError(cancelled, 'the cancel', false));
      await pause(Math.min(cancelled.retryAfterMs ?? CANCEL_PAUSE_MS, WAIT_MAX_MS), this.#signal);
    }
  }

  async #storeWasLost(old: Session, failure: OuterFailure): Promise<boolean> {
    try {
      await this.#replaceSession(failure);
      const present = await orAborted(this.#context.sessions.replace(old), this.#signal);
      return present.provesLost(old, this.#firstSentAt as Instant);
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw this.#mayHaveRunError(failure, error);
    }
  }

  /** Replaces the session that the relay does not know; once per call. */
  async #replaceSession(failure: OuterFailure): Promise<void> {
    const { session } = this.#lease as Lease;
    if (this.#replaced === session) return;
    if (this.#repairs >= REPAIRS_MAX) throw this.#error(failure);
    this.#repairs += 1;
    this.#replaced = session;
    try {
      await orAborted(this.#context.sessions.replace(session), this.#signal);
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw this.#mayHaveRun ? withMayHaveRun(error) : error;
    }
  }

  #wait(failure: OuterFailure): Promise<void> {
    const asked = failure.retryAfterMs;
    if (asked === undefined) return pause(RESEND_PAUSE_MS * this.#resends, this.#signal);
    if (asked > WAIT_MAX_MS || this.#waits > 0) throw this.#error(failure);
    this.#waits += 1;
    return pause(asked, this.#signal);
  }

  #error(failure: OuterFailure): RelayClientError {
    return outerError(failure, this.#what, this.#mayHaveRun);
  }

  #mayHaveRunError(failure: OuterFailure, cause?: unknown): RelayClientError {
    const first = outerError(failure, this.#what, true);
    return new RelayClientError('may-have-run', `${this.#what} may have run: ${first.message}`, {
      cause: cause ?? first,
      mayHaveRun: true,
      status: first.status,
      outerCode: first.outerCode,
    });
  }
}

/** The same error, of a call that may have run. */
export function withMayHaveRun<T>(error: T): T | RelayClientError {
  if (!(error instanceof RelayClientError) || error.mayHaveRun) return error;
  const { code, message, status, outerCode, retryAfterMs } = error;
  return new RelayClientError(code, message, { cause: error, mayHaveRun: true, status, outerCode, retryAfterMs });
}
