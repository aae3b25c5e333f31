// Safe resend (SPEC §7): when a request may be sent again without running twice.
//
// An outer refusal, a reset or an unreadable answer is no evidence: the box on the way can forward a request, swallow
// its answer and make up any of them. So an unanswered request is sent again only
//   a) when its method is idempotent (RFC 9110 §9.2.2), or
//   b) when nothing of it left this machine, or
//   c) when the relay says under the session's seal that its number was free and is now used up ("cancelled"), or
//   d) when the relay has forgotten the session, and a new pairing's seal says that the store behind it is newer than
//      that session and was there before the request was first sent.
// Otherwise the call fails with `may-have-run`. All of it is bounded, and nothing is ever sent unsealed.
import { isIdempotent, type ResponseHead } from '@mte-relay/protocol';
import { orAborted, pause } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import { type Unanswered, unansweredError } from '../outer/transport.ts';
import type { Platform } from '../platform/platform.ts';
import { type Instant, now } from '../session/clock.ts';
import type { Lease, Session, Sessions } from '../session/session.ts';
import { attempt, cancel, type ExchangeContext, InnerResponse } from './exchange.ts';
import type { InnerRequest } from './seal.ts';

/** Times one call is sent again, whatever the reasons. */
const RESENDS_MAX = 2;
/** Times one call makes the client pair anew. */
const REPAIRS_MAX = 1;
/** Longest Retry-After that is waited for, once. */
const WAIT_MAX_MS = 5_000;
/** Before a resend that nobody asked to delay. */
const RESEND_PAUSE_MS = 50;
/** Between two tries to cancel. */
const CANCEL_PAUSE_MS = 250;

/** Refusals that pass: another try may succeed. The others say that this request is unwelcome. */
const PASSING = new Set([401, 408, 409, 425, 429, 500, 502, 503, 504]);

/** What sending needs. */
export interface SendContext extends ExchangeContext {
  readonly platform: Platform;
  readonly sessions: Sessions;
  /** Fields that depend on the session, e.g. the client's earlier identity. */
  fieldsFor(session: Session): [string, string][];
  /** An authenticated answer has begun. */
  onAnswer(session: Session, head: ResponseHead): void;
  onResend(request: InnerRequest, reason: string): void;
}

/**
 * Sends a request until it has an authenticated answer, or may not be sent again.
 * @param signal ends it at any phase, with its own reason.
 * @param hasRun true behind a redirect: whatever becomes of this request, the one before it has run.
 */
export async function send(
  context: SendContext,
  request: InnerRequest,
  signal: AbortSignal | undefined,
  hasRun = false,
): Promise<InnerResponse> {
  const call = new Call(context, request, signal, hasRun);
  for (;;) {
    const unanswered = await call.attempt();
    if (unanswered instanceof InnerResponse) return unanswered;
    await call.prepareResend(unanswered);
  }
}

class Call {
  readonly #context: SendContext;
  readonly #request: InnerRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #what: string;
  readonly #idempotent: boolean;
  #lease: Lease | undefined;
  #firstSentAt: Instant | undefined;
  #mayHaveRun: boolean;
  #resends = 0;
  #repairs = 0;
  #waits = 0;
  #replaced: Session | undefined;

  constructor(context: SendContext, request: InnerRequest, signal: AbortSignal | undefined, hasRun: boolean) {
    this.#context = context;
    this.#request = request;
    this.#signal = signal;
    this.#mayHaveRun = hasRun;
    this.#idempotent = isIdempotent(request.head.method);
    this.#what = `${request.head.method} ${request.head.path.replace(/\?.*/, '')}`;
  }

  async attempt(): Promise<InnerResponse | Unanswered> {
    const context = this.#context;
    const signal = this.#signal;
    signal?.throwIfAborted();
    const { session, n } = await this.#leaseNumber();
    const abort = new AbortController();
    const onAbort = (): void => abort.abort(signal?.reason);
    const unlisten = (): void => signal?.removeEventListener('abort', onAbort);
    signal?.addEventListener('abort', onAbort);
    let response: InnerResponse | undefined;
    try {
      signal?.throwIfAborted();
      const lease = { session, n };
      const result = await attempt(context, lease, this.#request, context.fieldsFor(session), abort);
      if (!(result instanceof InnerResponse)) return result;
      response = result;
      context.onAnswer(session, result.head);
      response.onEnd = unlisten; // until then the signal still ends the answer's body
      return response;
    } finally {
      session.settle(n, response !== undefined);
      if (!response) {
        unlisten();
        abort.abort(); // whatever of it is still going on
      }
    }
  }

  /** Returns when the request may be sent again; throws when not. */
  async prepareResend(unanswered: Unanswered): Promise<void> {
    const neverRan = await this.#neverRan(unanswered);
    if (!neverRan) this.#mayHaveRun = true;
    if (!neverRan && !this.#idempotent) throw this.#mayHaveRunError(unanswered);
    const body = this.#request.body;
    const replayable = !body || body.replayable;
    const passing = unanswered.kind !== 'refused' || PASSING.has(unanswered.status ?? 0);
    if (!passing || !replayable || this.#resends >= RESENDS_MAX) throw this.#error(unanswered);
    this.#resends += 1;
    if (unanswered.status === 401) await this.#replaceSession(unanswered);
    else await this.#wait(unanswered);
    this.#context.onResend(this.#request, `${unanswered.status ?? unanswered.kind}`);
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

  /** Evidence (b), (c) or (d); an idempotent method needs none. */
  async #neverRan(unanswered: Unanswered): Promise<boolean> {
    if (unanswered.neverSent) return true;
    if (this.#idempotent) return false;
    const lease = this.#lease as Lease;
    for (let tries = 0; ; tries += 1) {
      const answer = await cancel(this.#context, lease, this.#request.credentials, this.#signal);
      if (typeof answer === 'boolean') return answer;
      if (answer.status === 401) return this.#storeWasLost(lease.session, unanswered);
      if (tries > 0) throw this.#mayHaveRunError(unanswered, unansweredError(answer, 'the cancel', false));
      await pause(Math.min(answer.retryAfterMs ?? CANCEL_PAUSE_MS, WAIT_MAX_MS), this.#signal);
    }
  }

  async #storeWasLost(old: Session, unanswered: Unanswered): Promise<boolean> {
    try {
      await this.#replaceSession(unanswered);
      const present = await orAborted(this.#context.sessions.replace(old), this.#signal);
      return present.provesLost(old, this.#firstSentAt as Instant);
    } catch (error) {
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw this.#mayHaveRunError(unanswered, error);
    }
  }

  /** Leaves the session that the relay does not know; once per call. */
  async #replaceSession(unanswered: Unanswered): Promise<void> {
    const { session } = this.#lease as Lease;
    if (this.#replaced === session) return;
    if (this.#repairs >= REPAIRS_MAX) throw this.#error(unanswered);
    this.#repairs += 1;
    this.#replaced = session;
    try {
      await orAborted(this.#context.sessions.replace(session), this.#signal);
    } catch (error) {
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw this.#mayHaveRun ? withMayHaveRun(error) : error;
    }
  }

  #wait(unanswered: Unanswered): Promise<void> {
    const asked = unanswered.retryAfterMs;
    if (asked === undefined) return pause(RESEND_PAUSE_MS * this.#resends, this.#signal);
    if (asked > WAIT_MAX_MS || this.#waits > 0) throw this.#error(unanswered);
    this.#waits += 1;
    return pause(asked, this.#signal);
  }

  #error(unanswered: Unanswered): RelayClientError {
    return unansweredError(unanswered, this.#what, this.#mayHaveRun);
  }

  #mayHaveRunError(unanswered: Unanswered, cause?: unknown): RelayClientError {
    const first = unansweredError(unanswered, this.#what, true);
    return new RelayClientError('may-have-run', `${this.#what} may have run: ${first.message}`, {
      cause: cause ?? first,
      mayHaveRun: true,
      status: first.status,
      outerCode: first.outerCode,
    });
  }
}

function withMayHaveRun(error: unknown): unknown {
  if (!(error instanceof RelayClientError)) return error;
  const { code, message, status, outerCode, retryAfterMs } = error;
  return new RelayClientError(code, message, { cause: error, mayHaveRun: true, status, outerCode, retryAfterMs });
}
