// What noble-later.ts gives, for a build in one file (scripts/build/bundle.ts): a dynamic import inside of one costs
// more than it spares, since nothing that it names can then be left out or put in line.
import { mlkemNoble } from './mlkem-noble.ts';
import { x25519Noble } from './x25519-noble.ts';
import type { MlKem768, X25519 } from './xwing-composed.ts';

export async function x25519ByNoble(): Promise<X25519> {
  return x25519Noble;
}

export async function mlkemByNoble(): Promise<MlKem768> {
  return mlkemNoble();
}
