// The errors of the protocol layer: one class and a union of codes (SPEC §8). A message states expected and received values
// in bytes and counts, and never contains a secret or a body.

/** Why the protocol layer refused an input. */
export type ProtocolErrorCode =
  | 'malformed' // the bytes do not have the layout of SPEC
  | 'truncated' // the input ended before it was complete
  | 'unopenable' // an authentication tag did not verify
  | 'too-large' // a length exceeds its limit
  | 'version-unsupported' // another protocol version
  | 'suite-unsupported' // another suite
  | 'key-unknown' // sealed to a key that the relay does not hold
  | 'pin-mismatch' // the relay's public key does not match a pin
  | 'misuse'; // the caller used a single-use object twice, or out of order

/** The error of this package for input that it cannot accept. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Refusals on the outer hop, before a message is authenticated: HTTP status by code (SPEC §8.1).
 * They are unauthenticated, so a client treats them as transport failures.
 */
export const OUTER_STATUS = {
  malformed: 400,
  unopenable: 400,
  'session-unknown': 401,
  'origin-refused': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  timeout: 408,
  replayed: 409,
  'too-large': 413,
  'media-type-unsupported': 415,
  'domain-unknown': 421,
  'key-unknown': 422,
  'version-unsupported': 426,
  'upgrade-required': 426,
  'too-many': 429,
  'headers-too-large': 431,
  internal: 500,
  'upstream-unreachable': 502,
  'upstream-failed': 502,
  unavailable: 503,
  'upstream-timeout': 504,
  'loop-detected': 508,
} as const;

/** The `code` of an outer refusal. */
export type OuterCode = keyof typeof OUTER_STATUS;

/**
 * The relay's own sealed responses: HTTP status by code, and whether the upstream may have seen the request (SPEC §8.2).
 */
export const INNER_FAILURE = {
  'request-malformed': { status: 400, upstreamSaw: 'maybe' }, // the fault may be at the end of an upload
  'path-refused': { status: 400, upstreamSaw: 'no' },
  'request-stale': { status: 408, upstreamSaw: 'no' },
  'route-refused': { status: 404, upstreamSaw: 'no' },
  'method-refused': { status: 405, upstreamSaw: 'no' },
  'request-too-large': { status: 413, upstreamSaw: 'maybe' },
  'upstream-unreachable': { status: 502, upstreamSaw: 'no' },
  'upstream-failed': { status: 502, upstreamSaw: 'maybe' },
  'upstream-timeout': { status: 504, upstreamSaw: 'maybe' },
  'loop-detected': { status: 508, upstreamSaw: 'no' },
} as const;

/** The `code` of the relay's own sealed response. */
export type InnerCode = keyof typeof INNER_FAILURE;

/** Inner response field that marks the relay's own responses; its value is an {@link InnerCode}. */
export const INNER_FAILURE_FIELD = 'mte-relay-failure';
