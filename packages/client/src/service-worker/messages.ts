// What page and worker say to each other.
import type { RelayClientErrorCode } from '../api/error-codes.ts';

/** Page to worker, with a port for the answer: take this page over, and say so when it is done. */
export const TAKE_OVER = 'mte-relay take over';

/** Worker to page, by that port. */
export const TAKEN_OVER = 'mte-relay taken over';

/** Worker to page while it answers, and back: an event is what keeps a worker alive. */
export const STAY = 'mte-relay stay';

/** Worker to page: why one of its requests has failed. The request itself can only fail as a network error. */
export interface RelayRequestFailure {
  readonly type: typeof FAILURE;
  readonly method: string;
  readonly url: string;
  readonly code: RelayClientErrorCode;
  readonly message: string;
  /** As in {@link RelayClientError.mayHaveRun}. */
  readonly mayHaveRun: boolean;
}

export const FAILURE = 'mte-relay failure';
