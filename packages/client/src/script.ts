// The script tag's build: the whole client as one global. A list of names, since a bundler's namespace object brings
// helpers along; the test of the script tag compares it with the table of contents.
import { createRelayClient, installRelayServiceWorker, RelayClientError } from './index.ts';

Object.assign(globalThis, { mteRelay: { createRelayClient, installRelayServiceWorker, RelayClientError } });
