// The vectors as Node reads them, and the three providers as sets of one runtime each.
import { readFileSync } from 'node:fs';
import type { Suite, SyncSuite } from '@mte-relay/protocol';
import { xwingKeyPairFromSeed as nobleKeyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { xwingKeyPairFromSeed as nodeKeyPair, nodeSuite } from '@mte-relay/protocol/node';
import { xwingKeyPairFromSeed as webcryptoKeyPair, webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { StateVectors } from './format.ts';
import type { Provider, Providers } from './run/fixed-suite.ts';
import { VECTOR_FILES, type Vectors } from './run/vectors.ts';

const node: Provider<SyncSuite> = { suite: nodeSuite(), keyPair: nodeKeyPair };
const noble: Provider<SyncSuite> = { suite: nobleSuite(), keyPair: nobleKeyPair };
const webcrypto: Provider<Suite> = { suite: webcryptoSuite(), keyPair: webcryptoKeyPair };

export const syncProviders: Provider<SyncSuite>[] = [node, noble];
export const providers: Provider[] = [node, noble, webcrypto];
export const providerSets: Providers[] = [
  { client: node, relay: node },
  { client: noble, relay: noble },
  { client: webcrypto, relay: noble },
];

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));

export const vectors = Object.fromEntries(VECTOR_FILES.map((name) => [name, read(name)])) as unknown as Vectors;

export const STATE_FILES = [
  'relay-states',
  'client-calls',
  'client-sessions',
] as const satisfies (keyof StateVectors)[];

/** State machines: run in Node alone. */
export const stateVectors = Object.fromEntries(
  STATE_FILES.map((name) => [name, read(name)]),
) as unknown as StateVectors;
