// Runs the conformance cases in the runtime that runs this file (Node, Deno, Bun) with the packages as their users get
// them; prints one line of JSON per case. Arguments: the name of the provider, the configuration as JSON.
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { createRelayClient } from '@mte-relay/client';
import { xwingKeyPairFromSeed as nobleKeyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { type RunConfiguration, runConformance } from '../../../conformance/run/conformance.ts';
import type { Providers } from '../../../conformance/run/fixed-suite.ts';
import { VECTOR_FILES, type Vectors } from '../../../conformance/run/vectors.ts';

const [, , provider, configuration] = argv as [string, string, string, string];
const folder = new URL('../../../conformance/vectors/', import.meta.url);
const vectors = Object.fromEntries(
  VECTOR_FILES.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))]),
) as unknown as Vectors;
const runtime = { vectors, providers: await providers(), createRelayClient };
await runConformance(JSON.parse(configuration) as RunConfiguration, runtime, (report) => {
  console.log(JSON.stringify(report));
});
exit(0); // connections that are kept alive would keep the process

async function providers(): Promise<Providers> {
  if (provider === 'node') {
    const { nodeSuite, xwingKeyPairFromSeed } = await import('@mte-relay/protocol/node');
    const node = { suite: nodeSuite(), keyPair: xwingKeyPairFromSeed };
    return { client: node, relay: node };
  }
  const { webcryptoSuite, xwingKeyPairFromSeed: keyPair } = await import('@mte-relay/protocol/webcrypto');
  return {
    client: { suite: webcryptoSuite(), keyPair },
    relay: { suite: nobleSuite(), keyPair: nobleKeyPair },
  };
}
