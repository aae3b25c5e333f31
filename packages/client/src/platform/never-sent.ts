// Whether a failure of fetch shows that no byte left this machine, in runtimes that say why they failed.

/** Failures of name lookup, connect and TLS: fetch had not begun to send. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Deno gives no code: this stands in the message of a failure of lookup, connect or TLS, and in no other. */
const DENO_BEFORE_SENDING = /\): client error \(Connect\)/;

/** Error codes in a failure, its causes, and the errors of an AggregateError (one per address that was tried). */
function* codesIn(failure: unknown, depth = 0): Generator<unknown> {
  if (!(failure instanceof Error) || depth > 4) return;
  const { code, cause, errors, message } = failure as Error & { code?: unknown; errors?: unknown };
  if (Array.isArray(errors)) for (const one of errors) yield* codesIn(one, depth + 1);
  else if (code !== undefined) yield code;
  else if (DENO_BEFORE_SENDING.test(message)) yield 'ECONNREFUSED';
  yield* codesIn(cause, depth + 1);
}

/** True when everything in the failure says so. */
export function failedBeforeSending(failure: unknown): boolean {
  const codes = [...codesIn(failure)];
  return codes.length > 0 && codes.every((code) => BEFORE_SENDING.has(code as string));
}
