// React Native: crypto by react-native-quick-crypto if installed, else by noble. Without streams, bodies are whole both
// ways. The system stores and sends the jar keys on the outer hop, as cookies of the platform's fetch.
import { FLAG_COOKIE_RECORDS, ProtocolError, type Suite } from '@mte-relay/protocol';
import { nobleSuite } from '@mte-relay/protocol/noble';
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import type { Platform } from './platform.ts';
import { completeAbort } from './react-native/abort.ts';
import { takeWholeBody } from './react-native/body.ts';
import { plainRequest } from './react-native/request.ts';
import { wholeResponse } from './react-native/response.ts';
import { fetchByXhr, postByXhr } from './react-native/xhr.ts';
import { bytesOf } from './uploads/bytes.ts';

completeAbort(globalThis);

const NO_RANDOM =
  'no secure random source found: add react-native-get-random-values and import it first, or add ' +
  'react-native-quick-crypto and call its install()';

export const platform: Platform = {
  makeSuite: suiteOfApp,
  pairingFlags: FLAG_COOKIE_RECORDS,
  uploads: { gather: bytesOf },
  baseUrl: (relayOrigin) => relayOrigin,
  defaultFields: () => [['user-agent', 'mte-relay (React Native)']],
  keeper: undefined, // cookies last as long as the app runs
  scriptCookies: undefined,
  neverSent: () => false, // React Native does not report it
  postWithProgress: postByXhr,
  makeRequest: plainRequest,
  fetch: fetchByXhr,
  takeBody: takeWholeBody,
  makeResponse: wholeResponse,
};

/** Throws ProtocolError `misuse` where the app lacks a source of secure random bytes. */
function suiteOfApp(): Suite {
  if (!globalThis.crypto?.getRandomValues) throw new ProtocolError('misuse', NO_RANDOM);
  return globalThis.crypto.subtle ? webcryptoSuite() : nobleSuite();
}
