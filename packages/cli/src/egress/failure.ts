// The egress's own responses: problem documents (RFC 9457) with `code`, the reason, and `mayHaveRun`, whether the backend
// may have seen the request. Like the relay's own responses they carry the field `mte-relay-failure`, which a backend
// cannot send.
import { RelayClientError, type RelayClientErrorCode } from '@mte-relay/client';
import type { CallerRefusal } from './callers.ts';

/** Refusals of the egress, before it sends anything. */
export type LocalCode =
  | CallerRefusal
  | 'websocket-unsupported'
  | 'connect-unsupported'
  | 'target-unsupported'
  | 'too-many';

/** One failed request. */
export interface Failure {
  readonly status: number;
  readonly code: LocalCode | RelayClientErrorCode | 'internal';
  readonly title: string;
  readonly mayHaveRun: boolean;
  readonly retryAfterSeconds?: number | undefined;
  /** Status of a refusal outside the seal. Unauthenticated. */
  readonly outerStatus?: number | undefined;
}

const LOCAL: Readonly<Record<LocalCode, { readonly status: number; readonly title: string }>> = {
  'host-refused': {
    status: 421,
    title: 'The egress has no such name as in Host: if callers use that name, start the egress with --allow-host NAME',
  },
  'origin-refused': {
    status: 403,
    title: 'A page of another origin caused this request: if it may, start the egress with --allow-origin ORIGIN',
  },
  'websocket-unsupported': {
    status: 501,
    title: 'The egress does not forward WebSockets: use the WebSocket of the client library',
  },
  'connect-unsupported': {
    status: 501,
    title: 'The egress is not a forward proxy: send requests to it as if it were the API',
  },
  'target-unsupported': {
    status: 400,
    title: 'The egress is not a forward proxy: the request target must be a path without scheme, host and fragment',
  },
  'too-many': { status: 503, title: 'Too many concurrent requests' },
};

const RETRY_AFTER_SECONDS = 1;

export function localFailure(code: LocalCode): Failure {
  const { status, title } = LOCAL[code];
  const retryAfterSeconds = status === 503 ? RETRY_AFTER_SECONDS : undefined;
  return { status, code, title, mayHaveRun: false, retryAfterSeconds };
}

/** The failure for an error of the client. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof RelayClientError)) {
    return { status: 502, code: 'internal', title: 'The egress failed', mayHaveRun: true };
  }
  const { code, message, mayHaveRun, status: outerStatus, retryAfterMs } = error;
  const status = statusOf(error);
  const retryAfterSeconds =
    status === 503 ? Math.max(RETRY_AFTER_SECONDS, Math.ceil((retryAfterMs ?? 0) / 1000)) : undefined;
  return { status, code, title: message, mayHaveRun, retryAfterSeconds, outerStatus };
}

/** 503: the request never ran, retry later; 504: timed out; 502: any other failure between egress and API. */
function statusOf(error: RelayClientError): number {
  switch (error.code) {
    case 'misuse':
      return 400;
    case 'closed':
      return 503;
    case 'unreachable':
      if (isTimeout(error)) return 504;
      return error.mayHaveRun ? 502 : 503;
    case 'relay-refused':
      if (error.status === 408 || error.status === 504) return 504;
      return error.status === 429 || error.status === 503 ? 503 : 502;
    default:
      return 502;
  }
}

const TIMEOUT_CODES: ReadonlySet<unknown> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);

function isTimeout(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    if (cause.name === 'TimeoutError' || TIMEOUT_CODES.has((cause as { code?: unknown }).code)) return true;
  }
  return false;
}

/** The failure's response: flat fields and body. */
export function problemOf(failure: Failure): { headers: string[]; body: Buffer } {
  const { status, code, title, mayHaveRun, retryAfterSeconds, outerStatus } = failure;
  const body = Buffer.from(JSON.stringify({ type: 'about:blank', title, status, code, mayHaveRun, outerStatus }));
  const headers = ['content-type', 'application/problem+json', 'content-length', `${body.length}`];
  headers.push('cache-control', 'no-store', 'mte-relay-failure', code);
  if (retryAfterSeconds !== undefined) headers.push('retry-after', `${retryAfterSeconds}`);
  return { headers, body };
}
