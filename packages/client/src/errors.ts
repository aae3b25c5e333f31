// What can go wrong with a call, as one class and a union of codes to switch on (SPEC §8 names the failure planes).
import { OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';

/** Why a call failed: what happened, and what to do. */
export type RelayClientErrorCode =
  | 'closed' // close() was called: make a new client
  | 'misuse' // an argument cannot be used: the message says which
  | 'option-unsupported' // a fetch option that cannot be kept inside the seal: leave it out
  | 'origin-not-relayed' // the URL is not the relay's; nothing was sent: use the platform's fetch for it
  | 'unreachable' // no answer, and nothing ran or the method is idempotent: try again later
  | 'relay-refused' // a refusal that nobody vouches for, see `status`: try again later, or see the relay's log
  | 'pairing-failed' // the relay's answer to the pairing cannot be used: wrong address, or somebody in between
  | 'pin-mismatch' // the relay's key is not a pinned one: somebody in between, or pins to be updated
  | 'may-have-run' // no authenticated answer, and no proof that the request never ran: look before sending it again
  | 'response-unopenable' // the answer's bytes were not sealed for this request; the request may have run
  | 'response-truncated' // the answer ended early; the request has reached the relay
  | 'no-service-worker' // the page is not looked after by its service worker, the message says why: do not let it call its API
  | 'storage-unavailable' // a service worker could not note a request that might else run twice; nothing was sent
  | 'websocket-refused' // the API, or the relay for it, answered the upgrade otherwise: see the message
  | 'websocket-broken' // what came was not the next sealed frame: somebody in between; what was last sent may be lost
  | 'event-stream-refused' // the answer is no event stream, or says not to come again
  | 'redirect-refused'; // redirect: 'error', another origin, more than 20, or a body that cannot be sent again

/** Facts beside the sentence. */
export interface RelayClientErrorFacts {
  readonly cause?: unknown;
  readonly mayHaveRun?: boolean;
  readonly status?: number | undefined;
  readonly outerCode?: OuterCode | undefined;
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
  /** `code` of an outer refusal. Unauthenticated. */
  readonly outerCode: OuterCode | undefined;
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

/** The outer code in a refusal's JSON, or undefined when it is none of ours. */
export function outerCodeIn(problem: unknown): OuterCode | undefined {
  const code = (problem as { code?: unknown } | null)?.code;
  return typeof code === 'string' && Object.hasOwn(OUTER_STATUS, code) ? (code as OuterCode) : undefined;
}
