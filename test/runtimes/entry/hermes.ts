// Runs the conformance cases in Hermes, with React Native's own JavaScript for the network (XMLHttpRequest, Headers,
// Request, FormData, AbortController). Bundled by the Metro of examples/react-native; prints one line of JSON per case.
import 'react-native/Libraries/Core/setUpXHR';
import { createRelayClient } from '@mte-relay/client';
import { xwingKeyPairFromSeed as keyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { type ApiRequest, type ApiResponse, MiniRelay } from '@mte-relay/testing/mini-relay';
import { FETCH_CASES } from '../../../conformance/fetch/cases.ts';
import { patternOf } from '../../../conformance/fetch/format.ts';
import { CaseResponses } from '../../../conformance/run/case-responses.ts';
import { type RunConfiguration, runConformance } from '../../../conformance/run/conformance.ts';
import type { Vectors } from '../../../conformance/run/vectors.ts';
import { hex } from '../../../conformance/twin/bytes.ts';
import { connectTo } from './native-network.ts';

declare global {
  /** Put in front of the bundle by the test. */
  var VECTORS: Vectors;
  var HAS: RunConfiguration['has'];
}

/** Of refused cases that stand for many inputs: the engine has no JIT. */
const INPUTS_MAX = 6;

/** A body as the API saw it; its content as hex. */
export interface BodySeen {
  readonly type: string;
  readonly content: string;
}

/** Of the file that a form carries. */
const FILE_BYTES = 1000;
const FILE = 'file:///photo.png';
const relayUrl = 'http://relay.example';

main().catch((error: Error) => print(`failed: ${error} ${error.stack}`));

async function main(): Promise<void> {
  const noble = { suite: nobleSuite(), keyPair };
  const backend = new CaseResponses(FETCH_CASES);
  const bodies: BodySeen[] = [];
  const relay = MiniRelay.start(
    noble,
    (request) => (request.path === '/body' ? kept(bodies, request) : backend.respond(request)),
    noble.suite.randomBytes(32),
  );
  connectTo(relay, new Map([[FILE, patternOf(FILE_BYTES)]]));
  const runtime = {
    vectors: VECTORS,
    providers: { client: noble, relay: noble, inputsMax: INPUTS_MAX },
    createRelayClient,
  };
  const { pin } = await relay;
  await runConformance({ relayUrl, pin, has: HAS }, runtime, (report) => print(JSON.stringify(report)));
  await sendBodies(createRelayClient(relayUrl, { pins: [pin] }).fetch);
  print(JSON.stringify({ name: 'seen', seen: [...backend.seen], bodies }));
}

/** Only React Native has these: its FormData with a file of the device, and its Blob, which it makes of text alone. */
async function sendBodies(fetch: typeof globalThis.fetch): Promise<void> {
  const form = new FormData();
  form.append('note', 'grüße');
  form.append('photo', { uri: FILE, name: 'photo.png', type: 'image/png' } as unknown as string);
  const blob = new Blob(['a blob'], { type: 'text/x-note' });
  for (const body of [form, blob]) await fetch(`${relayUrl}/body`, { method: 'POST', body });
}

function kept(bodies: BodySeen[], { headers, content }: ApiRequest): ApiResponse {
  bodies.push({ type: new Map(headers).get('content-type') ?? '', content: hex(content) });
  return {};
}
