// What of a URL a request names.

/** Path and query as they are sent; an empty query is one too, which `search` does not show (RFC 9110 §7.1). */
export function targetOf({ href }: URL): string {
  return href.replace(/^\w+:\/\/[^/]*|#.*/g, '');
}
