// Records a failure, the same way for every route: its plane, one count, and a log line if an operator must act.
import type { ServerResponse } from 'node:http';
import type { InnerCode, OuterCode } from '@mte-relay/protocol';
import { type Account, countOuter, type Observers } from '../observe/account.ts';
import { faultOf } from '../observe/fault.ts';
import { StoreUnavailableError } from '../sessions/store.ts';
import { type UpstreamFailure, upstreamFailureCode } from '../upstream/failures.ts';
import {
  InnerRefusal,
  innerFailure,
  OuterRefusal,
  type OwnResponse,
  outerCodeOf,
  RefusedByHook,
  refuse,
} from './planes.ts';

/** A failure on its plane: the relay's own response, to be sealed, or a bare code. */
export type Failure =
  | { readonly plane: 'inner'; readonly code: InnerCode | undefined; readonly response: OwnResponse }
  | { readonly plane: 'outer'; readonly code: OuterCode };

/** The failure that an error stands for. @param claimed false while nothing can be sealed to the client. */
export function failureOf(observers: Observers, account: Account, error: unknown, claimed: boolean): Failure {
  if (claimed && error instanceof InnerRefusal) {
    return { plane: 'inner', code: error.code, response: innerFailure(error.code, error.fields) };
  }
  if (claimed && error instanceof RefusedByHook) return { plane: 'inner', code: undefined, response: error.response };
  return { plane: 'outer', code: outerFailureOf(observers, account, error) };
}

/** The outer code of an error. */
export function outerFailureOf({ log }: Observers, account: Account, error: unknown): OuterCode {
  const code = outerCodeOf(error);
  if (code === 'internal')
    log.error({ ...account.names(), route: account.route, fault: faultOf(error) }, 'request failed');
  return code;
}

/** Records that the session store failed or timed out. @returns the refusal: nothing runs. */
export function storeFailed({ log, metrics }: Observers, account: Account, error: unknown): OuterRefusal {
  // A store that is unavailable logs that itself, once and not per exchange.
  const level = error instanceof StoreUnavailableError ? 'debug' : 'error';
  log[level]({ ...account.names(), fault: faultOf(error) }, 'session store failed');
  metrics.storeFailures.value += 1;
  return new OuterRefusal('unavailable');
}

/** Records that the upstream failed. @returns the code for the client. */
export function upstreamFailed({ log }: Observers, account: Account, error: unknown): UpstreamFailure {
  const code = upstreamFailureCode(error);
  log.warn({ ...account.names(), code, fault: faultOf(error) }, 'upstream failed');
  account.upstreamFailed(code);
  return code;
}

/** Refuses a request on the outer hop. */
export function refuseOuter(account: Account, res: ServerResponse, code: OuterCode, retryAfterSeconds?: number): void {
  account.refusedOuter(code);
  refuse(res, code, retryAfterSeconds);
}

/** Refuses on the outer hop, and counts that, a request that has no account. */
export function refuseAndCount({ metrics }: Pick<Observers, 'metrics'>, res: ServerResponse, code: OuterCode): void {
  countOuter(metrics, code);
  refuse(res, code);
}
