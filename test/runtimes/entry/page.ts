// Runs the conformance cases in a page, with the client's own bundle; entry of a bundle that support/page.ts serves.
import { xwingKeyPairFromSeed as nobleKeyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { xwingKeyPairFromSeed as keyPair, webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import { type CaseReport, type Runtime, runConformance } from '../../../conformance/run/conformance.ts';
import type { Vectors } from '../../../conformance/run/vectors.ts';

const CLIENT_BUNDLE = '/mte-relay-client.mjs';

globalThis.runAllCases = async (configuration) => {
  const vectors = (await (await fetch('/vectors.json')).json()) as Vectors;
  const { createRelayClient } = await client();
  const providers = {
    client: { suite: webcryptoSuite(), keyPair },
    relay: { suite: nobleSuite(), keyPair: nobleKeyPair },
  };
  const reports: CaseReport[] = [];
  await runConformance(configuration, { vectors, providers, createRelayClient }, (report) => reports.push(report));
  return reports;
};

globalThis.connectRealtime = async ({ relayUrl, pin }) => {
  const { createRelayClient } = await client();
  const { WebSocket, EventSource } = createRelayClient(relayUrl, { pins: [pin] });
  const sealed = { WebSocket, EventSource, origin: relayUrl };
  globalThis.realtime = { platform: sealed, sealed };
};

async function client(): Promise<Pick<Runtime, 'createRelayClient'>> {
  return (await import(CLIENT_BUNDLE)) as Pick<Runtime, 'createRelayClient'>;
}
