// Replaces noble-later.ts in a build of one file (scripts/build/bundle.ts). There a dynamic import only costs size, because
// the bundler can neither drop nor inline what it names.
import { mlkemNoble } from './mlkem-noble.ts';
import { x25519Noble } from './x25519-noble.ts';
import type { MlKem768, X25519 } from './xwing-composed.ts';

export async function x25519ByNoble(): Promise<X25519> {
  return x25519Noble;
}

export async function mlkemByNoble(): Promise<MlKem768> {
  return mlkemNoble();
}
