// Messages between page and worker.
import type { WorkerConfiguration } from '@mte-relay/protocol';
import type { RelayClientErrorCode } from '../api/error-codes.ts';

/** Page to worker, with a port for the reply: control this page. */
export const TAKE_OVER = 'mte-relay take over';

/** Worker to page, by that port: the worker has claimed the page, and seals by this configuration. */
export interface TakenOver {
  readonly type: typeof TAKEN_OVER;
  readonly configuration: WorkerConfiguration;
}

export const TAKEN_OVER = 'mte-relay taken over';

/** Worker to page during a request, and back: events keep a worker alive. */
export const STAY = 'mte-relay stay';

/** Why a request of the page failed, sent by the worker. The request itself fails as a network error. */
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
