// noble's halves of X-Wing, loaded when they are needed. A build that has to be one file puts noble-at-hand.ts, of the
// same shape, in this file's place.
import type { MlKem768, X25519 } from './xwing-composed.ts';

export async function x25519ByNoble(): Promise<X25519> {
  return (await import('./x25519-noble.ts')).x25519Noble;
}

export async function mlkemByNoble(): Promise<MlKem768> {
  return (await import('./mlkem-noble.ts')).mlkemNoble();
}
