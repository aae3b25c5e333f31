// The build for a script tag: the whole client as one global. It lists names because a bundler's namespace object adds
// helper code. A test compares the list with the exports of index.ts.
import { createRelayClient, installRelayServiceWorker, RelayClientError } from './index.ts';

Object.assign(globalThis, { mteRelay: { createRelayClient, installRelayServiceWorker, RelayClientError } });
