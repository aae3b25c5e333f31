// What can go wrong with a call, as one class; its codes are in error-codes.ts (SPEC §8 names the failure
// planes).
import type { RelayClientErrorCode } from './error-codes.ts';

/** Facts beside the sentence. */
export interface RelayClientErrorFacts {
  readonly cause?: unknown;
  readonly mayHaveRun?: boolean;
  readonly status?: number | undefined;
  readonly outerCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** Thrown by everything in this package; a TypeError, as fetch throws, so that handlers of network errors keep working. */
export class RelayClientError extends TypeError {
  override readonly name = 'RelayClientError';
  readonly code: RelayClientErrorCode;
  /** False only when it is certain that the backend never saw the request and never will. */
  readonly mayHaveRun: boolean;
  /** Status of an outer refusal. Unauthenticated: any box on the way can make one. */
  readonly status: number | undefined;
  /** `code` of an outer refusal, of those in docs/errors.md or of a newer relay. Unauthenticated. */
  readonly outerCode: string | undefined;
  /** When the refusal asks to come back. Unauthenticated. */
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

/** A URL of another origin: often a relative one, which in a page is the page's, as for fetch. */
export function notRelayed({ origin }: URL, relayOrigin: string): RelayClientError {
  return new RelayClientError('origin-not-relayed', `${origin} is not the relay's origin ${relayOrigin}`);
}

/** The code in an outer refusal's JSON, or undefined when it has none that could be ours. */
export function outerCodeIn(problem: unknown): string | undefined {
  const code = (problem as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[a-z-]{1,40}$/.test(code) ? code : undefined;
}
