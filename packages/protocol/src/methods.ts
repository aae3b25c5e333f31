// Properties of request methods (RFC 9110 §9.2). Methods are case-sensitive. An unknown method has neither property.

const SAFE: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
const IDEMPOTENT: readonly string[] = [...SAFE, 'PUT', 'DELETE'];

/** True for a method that only reads (RFC 9110 §9.2.1). */
export function isSafe(method: string): boolean {
  return SAFE.includes(method);
}

/** True for a method whose requests may be repeated (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.includes(method);
}
