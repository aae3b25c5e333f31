// The parts of a Binary HTTP message (RFC 9292), for encoder and decoder.

/** Field lines in order; names in lower case, values with one character per byte (latin-1). */
export type Fields = ReadonlyArray<readonly [name: string, value: string]>;

/** Control data and header section of a request. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  /** Path and query as sent, starting with "/", or "*" for OPTIONS. */
  readonly path: string;
  readonly headers: Fields;
}

/** Status and header section of a response. */
export interface ResponseHead {
  /** 200 to 599 for the final response, 100 to 199 for an informational one. */
  readonly status: number;
  readonly headers: Fields;
}

// Framing indicators, RFC 9292 §3.3
export const FRAMING_KNOWN_REQUEST = 0;
export const FRAMING_KNOWN_RESPONSE = 1;
export const FRAMING_INDETERMINATE_REQUEST = 2;
export const FRAMING_INDETERMINATE_RESPONSE = 3;

/** Optional whitespace (RFC 9110 §5.6.3). @param unit a character's code. */
export function isWhitespace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}
