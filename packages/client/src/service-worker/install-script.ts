// The installer for a script tag, /public/mte-relay-install.js: one function in the global that the client's script has too.
// Without RelayClientError: this file has a class of its own, and that name is the client's. Errors have their `code`.
import { installRelayServiceWorker } from './install.ts';

const { mteRelay } = globalThis as { mteRelay?: object }; // of mte-relay-client.js, if the page has loaded it first
Object.assign(globalThis, { mteRelay: { ...mteRelay, installRelayServiceWorker } });
