// What an upstream's failure means for the request that met it.
import { failedToConnect, type InnerCode } from '@mte-relay/protocol';

/** What an upstream's failure may be. */
export type UpstreamFailure = Extract<InnerCode, 'request-malformed' | `upstream-${string}`>;

/** What an upstream's failure is called towards the client. */
export function upstreamFailureCode(error: unknown): UpstreamFailure {
  const code = (error as { code?: unknown }).code;
  // What undici would not write, or a body that is not as long as the client's content-length had said.
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'request-malformed';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'upstream-timeout';
  return failedToConnect(error) ? 'upstream-unreachable' : 'upstream-failed';
}

/** True when an idle connection was closed by the upstream in the moment it was used again. */
export function isKeepAliveRace(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** A time limit that was passed, as the error that undici would give. */
export function timeLimitError(limit: 'upstream-unreachable' | 'upstream-timeout'): Error {
  const code = limit === 'upstream-unreachable' ? 'UND_ERR_CONNECT_TIMEOUT' : 'UND_ERR_HEADERS_TIMEOUT';
  return Object.assign(new Error(limit), { code });
}

/** An upstream whose status is not one of RFC 9110 §15, as the error that undici would give. */
export function notAStatus(status: number): Error {
  return Object.assign(new Error(`the upstream responded with status ${status}`), { code: 'HPE_INVALID_STATUS' });
}
