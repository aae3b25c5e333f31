// Runs the conformance cases in Hermes, with React Native's own JavaScript for the network (XMLHttpRequest, Headers,
// Request, FormData, AbortController) and, where its native code would open a socket, a relay in the engine. Bundled by
// the Metro of examples/react-native; prints one line of JSON per case.
import 'react-native/Libraries/Core/setUpXHR';
import { createRelayClient } from '@mte-relay/client';
import { xwingKeyPairFromSeed as keyPair, nobleSuite } from '@mte-relay/protocol/noble';
import RCTDeviceEventEmitter from 'react-native/Libraries/EventEmitter/RCTDeviceEventEmitter';
import { FETCH_CASES } from '../../../conformance/fetch/cases.ts';
import { type RunConfiguration, runConformance } from '../../../conformance/run/conformance.ts';
import { type OuterAnswer, RelayInEngine } from '../../../conformance/run/relay.ts';
import type { Vectors } from '../../../conformance/run/vectors.ts';

declare global {
  /** Put in front of the bundle by the test. */
  var VECTORS: Vectors;
  var HAS: RunConfiguration['has'];
  var sendNatively: (...request: NativeRequest) => void;
  var abortNatively: (id: number) => void;
  /** The engine's own. */
  function print(line: string): void;
}

/** As XMLHttpRequest of React Native hands it to native code. */
type NativeRequest = [method: string, url: string, id: number, headers: [string, string][], body: { base64?: string }];

/** Of refused cases that stand for many inputs: the engine has no JIT. */
const INPUTS_MAX = 6;

const relayUrl = 'http://relay.example';
const aborted = new Set<number>();

main().catch((error: Error) => print(`failed: ${error} ${error.stack}`));

async function main(): Promise<void> {
  const noble = { suite: nobleSuite(), keyPair };
  const relay = await RelayInEngine.start(noble, FETCH_CASES);
  globalThis.abortNatively = (id) => aborted.add(id);
  globalThis.sendNatively = (_method, url, id, _headers, { base64 = '' }) => {
    const body = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    emit('didSendNetworkData', id, body.length, body.length);
    relay.answer(url.slice(relayUrl.length), body).then(
      (answer) => answer && deliver(id, url, answer),
      (error) => emit('didCompleteNetworkResponse', id, String(error), false),
    );
  };
  const runtime = {
    vectors: VECTORS,
    providers: { client: noble, relay: noble, inputsMax: INPUTS_MAX },
    createRelayClient,
  };
  await runConformance({ relayUrl, pin: relay.pin, has: HAS }, runtime, (report) => print(JSON.stringify(report)));
  print(JSON.stringify({ name: 'seen', seen: [...relay.seen] }));
}

function deliver(id: number, url: string, { status, contentType, body }: OuterAnswer): void {
  if (aborted.has(id)) return;
  let binary = '';
  for (const byte of body) binary += String.fromCharCode(byte);
  emit('didReceiveNetworkResponse', id, status, { 'Content-Type': contentType }, url);
  emit('didReceiveNetworkData', id, btoa(binary));
  emit('didCompleteNetworkResponse', id, null, false);
}

function emit(event: string, ...values: unknown[]): void {
  RCTDeviceEventEmitter.emit(event, values);
}
