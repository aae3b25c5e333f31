// noble's halves of X-Wing, loaded on demand. A build of one file replaces this file by noble-at-hand.ts, which has the same
// shape.
import type { MlKem768, X25519 } from './xwing-composed.ts';

export async function x25519ByNoble(): Promise<X25519> {
  return (await import('./x25519-noble.ts')).x25519Noble;
}

export async function mlkemByNoble(): Promise<MlKem768> {
  return (await import('./mlkem-noble.ts')).mlkemNoble();
}
