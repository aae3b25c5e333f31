// Classifies errors of the upstream.
import { failedToConnect, type InnerCode } from '@mte-relay/protocol';
import { isPlainlyChunked, type ParsedHeaders } from '../http/fields.ts';
import { INFORMATIONAL_RECEIVED_MAX } from '../limits/fixed.ts';

/** The codes of an upstream's failure. */
export type UpstreamFailure = Extract<InnerCode, 'request-malformed' | `upstream-${string}`>;

/** The code of an upstream's failure, for the client. */
export function upstreamFailureCode(error: unknown): UpstreamFailure {
  const code = (error as { code?: unknown }).code;
  // A request that undici refuses to write, or a body whose length is not the client's content-length.
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'request-malformed';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'upstream-timeout';
  return failedToConnect(error) ? 'upstream-unreachable' : 'upstream-failed';
}

/** The error that undici would give for a time limit. */
export function timeLimitError(limit: 'upstream-unreachable' | 'upstream-timeout'): Error {
  const code = limit === 'upstream-unreachable' ? 'UND_ERR_CONNECT_TIMEOUT' : 'UND_ERR_HEADERS_TIMEOUT';
  return Object.assign(new Error(limit), { code });
}

/** The error that undici would give for a status that is not in RFC 9110 §15. */
export function notAStatus(status: number): Error {
  return Object.assign(new Error(`the upstream responded with status ${status}`), { code: 'HPE_INVALID_STATUS' });
}

/** The heads of one response in their order: informational ones, then the final one. */
export class ResponseHeads {
  #informational = 0;

  /** True for an informational head. @throws Error for a status below 100, for an endless row, and as {@link requireFraming}. */
  isInformational(status: number, headers: ParsedHeaders): boolean {
    if (status < 100) throw notAStatus(status);
    if (status >= 200) {
      requireFraming(headers);
      return false;
    }
    this.#informational += 1;
    if (this.#informational <= INFORMATIONAL_RECEIVED_MAX) return true;
    throw new Error(`the upstream sent more than ${INFORMATIONAL_RECEIVED_MAX} informational responses`);
  }
}

/** Requires no transfer coding besides `chunked`: nothing here would undo another one (RFC 9112 §6.1). @throws Error */
export function requireFraming(headers: ParsedHeaders): void {
  const coding = headers['transfer-encoding'];
  if (coding === undefined || isPlainlyChunked([coding].flat().join())) return;
  throw new Error('the upstream responded with a transfer coding that the relay has not accepted');
}
