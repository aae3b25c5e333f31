// Errors of node and undici that show that no connection came about: evidence (b) of SPEC §7 to the client, and to the
// relay the proof that the upstream has not seen a request.

/** System calls of errors that come before a connection exists. One in use fails in `read` or `write`, by the same codes. */
const CALLS_BEFORE_CONNECTION: ReadonlySet<unknown> = new Set([
  'bind',
  'connect',
  'getaddrinfo',
  'queryA',
  'queryAaaa',
]);

/** Codes of errors without a system call: undici's, and those of a certificate that the verification rejects. */
const CODES_BEFORE_CONNECTION: ReadonlySet<unknown> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A failure with deeper causes is not evidence. */
const DEPTH_MAX = 4;

/**
 * True when a failure shows that nothing of the request left this machine. The failure, each of its causes and each
 * error of an AggregateError (one per address) must show it.
 */
export function failedToConnect(failure: unknown, depth = 0): boolean {
  if (!(failure instanceof Error) || depth > DEPTH_MAX) return false;
  const { code, syscall, cause, errors } = failure as ErrorOfNode;
  const single = !Array.isArray(errors); // the code of an AggregateError is that of its first error
  const hasEvidence = single && (code !== undefined || syscall !== undefined);
  if (hasEvidence && !isBeforeConnection(code, syscall)) return false;
  const inner = [...(single ? [] : errors), ...(cause === undefined ? [] : [cause])];
  if (inner.length === 0) return hasEvidence;
  return inner.every((one) => failedToConnect(one, depth + 1));
}

function isBeforeConnection(code: unknown, syscall: unknown): boolean {
  return syscall === undefined ? CODES_BEFORE_CONNECTION.has(code) : CALLS_BEFORE_CONNECTION.has(syscall);
}

interface ErrorOfNode extends Error {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly errors?: unknown;
}
