// The build for a script tag: the whole client as one global. It lists names because a bundler's namespace object adds
// helper code. A test compares the list with the exports of index.ts.
import { createRelayClient, RelayClientError } from './index.ts';

const { mteRelay } = globalThis as { mteRelay?: object }; // of mte-relay-install.js, if the page has loaded it first
Object.assign(globalThis, { mteRelay: { ...mteRelay, createRelayClient, RelayClientError } });
