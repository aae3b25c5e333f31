// What is noted when an exchange or a WebSocket cannot be served, the same for both: on which plane the failure belongs,
// one count, and a line in the log where somebody must look.
import type { ServerResponse } from 'node:http';
import { FIELD_COUNT_MAX, type Fields, type InnerCode, type OuterCode } from '@mte-relay/protocol';
import { countOuter, type Observers } from '../observe/account.ts';
import { faultOf } from '../observe/fault.ts';
import { StoreUnavailableError } from '../sessions/store.ts';
import { upstreamFailureCode } from '../upstream/pool.ts';
import { InnerRefusal, OuterRefusal, outerCodeOf, refuse } from './planes.ts';

/** What a line in the log is found by. */
export type Names = Readonly<Record<string, string | undefined>>;

/** A failure on its plane. */
export type Failure =
  | { readonly plane: 'inner'; readonly code: InnerCode }
  | { readonly plane: 'outer'; readonly code: OuterCode };

/** The plane and the code of what was thrown. @param claimed false while nothing can be sealed to the client. */
export function failureOf(context: Observers, names: Names, error: unknown, claimed: boolean): Failure {
  if (error instanceof InnerRefusal && claimed) return { plane: 'inner', code: error.code };
  const code = outerCodeOf(error);
  if (code === 'internal') context.log.error({ ...names, fault: faultOf(error) }, 'exchange failed');
  return { plane: 'outer', code };
}

/** The store, or a hook, gave no answer: nothing runs. */
export function storeFailed({ log, metrics }: Observers, names: Names, error: unknown): OuterRefusal {
  // A store that is down says so itself, once and not per exchange.
  const level = error instanceof StoreUnavailableError ? 'debug' : 'error';
  log[level]({ ...names, fault: faultOf(error) }, 'session store failed');
  metrics.storeFailures.value += 1;
  return new OuterRefusal('unavailable');
}

/** What an upstream's failure is called towards the client. */
export function upstreamFailed({ log }: Observers, names: Names, error: unknown, known?: InnerCode): InnerCode {
  const code = known ?? upstreamFailureCode(error);
  log.warn({ ...names, code, fault: faultOf(error) }, 'upstream failed');
  return code;
}

/** The fields of an answer that is to be sealed, unless there are more than a client opens. Throws InnerRefusal. */
export function openable(fields: Fields): Fields {
  if (fields.length <= FIELD_COUNT_MAX) return fields;
  throw new InnerRefusal('upstream-failed', { cause: new Error(`more than ${FIELD_COUNT_MAX} fields`) });
}

/** Refuses on the outer hop and counts it: for a request that no account has been opened for. */
export function refuseAndCount(
  { metrics }: Pick<Observers, 'metrics'>,
  res: ServerResponse,
  code: OuterCode,
  retryAfterSeconds?: number,
): void {
  countOuter(metrics, code);
  refuse(res, code, retryAfterSeconds);
}
