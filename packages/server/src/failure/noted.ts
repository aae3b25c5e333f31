// What is noted of a failure, the same on every way: its plane, one count, and a line in the log where somebody must look.
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

/** A failure on its plane: a response of the relay's own to seal, or a bare code. */
export type Failure =
  | { readonly plane: 'inner'; readonly code: InnerCode | undefined; readonly response: OwnResponse }
  | { readonly plane: 'outer'; readonly code: OuterCode };

/** The plane of what was thrown. @param claimed false while nothing can be sealed to the client. */
export function failureOf(observers: Observers, account: Account, error: unknown, claimed: boolean): Failure {
  if (claimed && error instanceof InnerRefusal) {
    return { plane: 'inner', code: error.code, response: innerFailure(error.code) };
  }
  if (claimed && error instanceof RefusedByHook) return { plane: 'inner', code: undefined, response: error.response };
  return { plane: 'outer', code: outerFailureOf(observers, account, error) };
}

/** The code of what was thrown before anything can be sealed. */
export function outerFailureOf({ log }: Observers, account: Account, error: unknown): OuterCode {
  const code = outerCodeOf(error);
  if (code === 'internal')
    log.error({ ...account.names(), route: account.route, fault: faultOf(error) }, 'request failed');
  return code;
}

/** The session store, or a hook, failed or gave no result in time: nothing runs. */
export function storeFailed({ log, metrics }: Observers, account: Account, error: unknown): OuterRefusal {
  // A store that is down says so itself, once and not per exchange.
  const level = error instanceof StoreUnavailableError ? 'debug' : 'error';
  log[level]({ ...account.names(), fault: faultOf(error) }, 'session store failed');
  metrics.storeFailures.value += 1;
  return new OuterRefusal('unavailable');
}

/** Notes that the upstream failed. @returns what its failure is called towards the client. */
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
