// Node: crypto by OpenSSL, uploads streamed by fetch (undici), no page and no cookies of its own.
import { nodeSuite } from '@mte-relay/protocol/node';
import type { Platform } from './platform.ts';

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

/** Error codes in a failure, its causes, and the errors of an AggregateError (one per address that was tried). */
function* codesIn(failure: unknown, depth = 0): Generator<unknown> {
  if (!(failure instanceof Error) || depth > 4) return;
  const { code, cause, errors } = failure as Error & { code?: unknown; errors?: unknown };
  if (Array.isArray(errors)) for (const one of errors) yield* codesIn(one, depth + 1);
  else if (code !== undefined) yield code;
  yield* codesIn(cause, depth + 1);
}

export const platform: Platform = {
  makeSuite: nodeSuite,
  pairingFlags: 0,
  streamsUploads: true,
  baseUrl: (relayOrigin) => relayOrigin,
  defaultFields: () => [['user-agent', 'mte-relay']],
  keepClientId: async (_relayOrigin, token) => token, // a program that wants one identity keeps one client
  neverSent(failure) {
    const codes = [...codesIn(failure)];
    return codes.length > 0 && codes.every((code) => BEFORE_SENDING.has(code as string));
  },
  postWithProgress: undefined,
};
