// Runs the conformance cases in Hermes, with React Native's own JavaScript for the network (XMLHttpRequest, Headers,
// Request, FormData, AbortController). Bundled by the Metro of examples/react-native; prints one line of JSON per case.
import 'react-native/Libraries/Core/setUpXHR';
import { createRelayClient } from '@mte-relay/client';
import { xwingKeyPairFromSeed as keyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { FETCH_CASES } from '../../../conformance/fetch/cases.ts';
import { CaseAnswers } from '../../../conformance/run/case-answers.ts';
import { type RunConfiguration, runConformance } from '../../../conformance/run/conformance.ts';
import { RelayInEngine } from '../../../conformance/run/relay.ts';
import type { Vectors } from '../../../conformance/run/vectors.ts';
import { connectTo } from './native-network.ts';

declare global {
  /** Put in front of the bundle by the test. */
  var VECTORS: Vectors;
  var HAS: RunConfiguration['has'];
}

/** Of refused cases that stand for many inputs: the engine has no JIT. */
const INPUTS_MAX = 6;

const relayUrl = 'http://relay.example';

main().catch((error: Error) => print(`failed: ${error} ${error.stack}`));

async function main(): Promise<void> {
  const noble = { suite: nobleSuite(), keyPair };
  const backend = new CaseAnswers(FETCH_CASES);
  const relay = RelayInEngine.start(
    noble,
    (head, content) => backend.answer(head, content),
    noble.suite.randomBytes(32),
  );
  connectTo(relay);
  const runtime = {
    vectors: VECTORS,
    providers: { client: noble, relay: noble, inputsMax: INPUTS_MAX },
    createRelayClient,
  };
  const { pin } = await relay;
  await runConformance({ relayUrl, pin, has: HAS }, runtime, (report) => print(JSON.stringify(report)));
  print(JSON.stringify({ name: 'seen', seen: [...backend.seen] }));
}
