// The stage of a quick start in Hermes: imported before it, React Native's network leads to a relay in the engine, in
// front of an API that keeps notes.
import 'react-native/Libraries/Core/setUpXHR';
import { xwingKeyPairFromSeed as keyPair, nobleSuite } from '@mte-relay/protocol/noble';
import { MiniRelay } from '@mte-relay/testing/mini-relay';
import { notesApi } from '../support/notes-api.ts';
import { connectTo } from './native-network.ts';

declare global {
  /** Put in front of the bundle by the test, which gives the quick start its pin. */
  var RELAY_SEED: readonly number[];
}

connectTo(MiniRelay.start({ suite: nobleSuite(), keyPair }, notesApi, Uint8Array.from(RELAY_SEED)));
