// The request target of a URL.

/** Path and query as sent, with an empty query too, which `search` does not show (RFC 9110 §7.1). */
export function targetOf({ href }: URL): string {
  return href.replace(/^\w+:\/\/[^/]*|#.*/g, '');
}
