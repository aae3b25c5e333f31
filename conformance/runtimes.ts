// Every runtime that the conformance cases run in, and what each has of what fetch cases need; the README's table is
// compared with this list.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Need } from './fetch/format.ts';
import { providerSets, vectors } from './providers.ts';
import { fetchCasesFor } from './run/conformance.ts';
import type { Providers } from './run/fixed-suite.ts';
import { vectorCases } from './run/vectors.ts';

/** All that a fetch case can need. */
const ALL: readonly Need[] = ['streams', 'form-data', 'abort', 'codings', 'request', 'typed-requests'];

export interface RuntimeFacts {
  /** As it stands in the counts. */
  readonly name: string;
  readonly has: readonly Need[];
  /** The provider of the cryptography. */
  readonly provider: 'OpenSSL' | 'WebCrypto, and noble for what it lacks' | 'noble';
}

const WEB = 'WebCrypto, and noble for what it lacks';

export const RUNTIMES = {
  chromium: { name: 'Chromium', has: ALL, provider: WEB },
  firefox: { name: 'Firefox ESR', has: ALL, provider: WEB },
  nodeFloor: { name: `Node ${floor()}`, has: ALL, provider: 'OpenSSL' },
  nodeCurrent: { name: `Node ${versionIn('../node_modules/node')}`, has: ALL, provider: 'OpenSSL' },
  deno: { name: 'Deno', has: ALL, provider: WEB },
  bun: { name: 'Bun', has: ALL.filter((need) => need !== 'typed-requests'), provider: WEB },
  hermes: { name: 'Hermes', has: ['abort', 'request', 'typed-requests'], provider: 'noble' },
} as const satisfies Record<string, RuntimeFacts>;

/** How many cases a runtime runs, and what it lacks for the others. */
export function casesIn({ has }: RuntimeFacts): { readonly cases: number; readonly lacks: readonly Need[] } {
  const vectorCount = vectorCases(vectors, providerSets[0] as Providers).length;
  return { cases: vectorCount + fetchCasesFor(has).length, lacks: ALL.filter((need) => !has.includes(need)) };
}

/** The oldest Node that the packages support. */
function floor(): string {
  const { dependencies } = manifestIn('../test/runtimes') as { dependencies: Record<string, string> };
  return /^npm:node@(.+)$/.exec(dependencies['node-floor'] ?? '')?.[1] ?? 'of no version';
}

function versionIn(folder: string): string {
  return (manifestIn(folder) as { version: string }).version;
}

function manifestIn(folder: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, folder, 'package.json'), 'utf8'));
}
