// The one class of errors that calls throw; error-codes.ts lists its codes (SPEC §8 names the failure planes).
import type { RelayClientErrorCode } from './error-codes.ts';

/** Facts of an error beside its message. */
export interface RelayClientErrorFacts {
  readonly cause?: unknown;
  readonly mayHaveRun?: boolean;
  readonly status?: number | undefined;
  readonly outerCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** Every error of this package. It is a TypeError, as fetch throws, so existing handlers of network errors keep working. */
export class RelayClientError extends TypeError {
  override readonly name = 'RelayClientError';
  readonly code: RelayClientErrorCode;
  /** False only when it is certain that the backend never saw the request and never will. */
  readonly mayHaveRun: boolean;
  /** Status of an outer refusal. Unauthenticated: any intermediary can forge one. */
  readonly status: number | undefined;
  /** `code` of an outer refusal: one of docs/errors.md, or one of a newer relay. Unauthenticated. */
  readonly outerCode: string | undefined;
  /** `Retry-After` of an outer refusal, ms. Unauthenticated. */
  readonly retryAfterMs: number | undefined;

  constructor(code: RelayClientErrorCode, message: string, facts: RelayClientErrorFacts = {}) {
    super(message, 'cause' in facts ? { cause: facts.cause } : undefined);
    this.code = code;
    this.mayHaveRun = facts.mayHaveRun ?? false;
    this.status = facts.status;
    this.outerCode = facts.outerCode;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** The error for a URL of another origin, often a relative URL that resolved against the page. */
export function notRelayed({ origin }: URL, relayOrigin: string): RelayClientError {
  return new RelayClientError('origin-not-relayed', `${origin} is not the relay's origin ${relayOrigin}`);
}

/** The code in an outer refusal's JSON; undefined when it does not have the form of a relay's code. */
export function outerCodeIn(problem: unknown): string | undefined {
  const code = (problem as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[a-z-]{1,40}$/.test(code) ? code : undefined;
}
