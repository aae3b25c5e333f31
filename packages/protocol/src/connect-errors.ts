// Errors of Node and undici that show that the connection failed before it was established: proof (b) of SPEC §7 for the
// client, and for the relay the proof that the upstream has not received a request.

/** System calls that fail before a connection exists. An established one fails in `read` or `write`, with the same codes. */
const CALLS_BEFORE_CONNECTION: ReadonlySet<unknown> = new Set([
  'bind',
  'connect',
  'getaddrinfo',
  'queryA',
  'queryAaaa',
]);

/** Codes of errors without a system call: those of undici and of a rejected certificate. */
const CODES_BEFORE_CONNECTION: ReadonlySet<unknown> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A failure with deeper causes is not a proof. */
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
