// The entry `@mte-relay/client/service-worker`: the page's side of the service worker. It loads no client and no
// cryptography, since the worker has them.

export type { RelayClientErrorCode } from '../api/error-codes.ts';
export { RelayClientError } from '../api/errors.ts';
export { installRelayServiceWorker, type RelayServiceWorkerOptions } from './install.ts';
export type { RelayRequestFailure } from './messages.ts';
