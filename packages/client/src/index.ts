// The exports of the whole client. Sessions and sealing stay inside the client. Proxies use the entry /forward, and apps
// that need fetch alone use /fetch.

export type { RelayClientErrorCode } from './api/error-codes.ts';
export { RelayClientError } from './api/errors.ts';
export type {
  Progress,
  RelayClient,
  RelayClientBase,
  RelayClientEvents,
  RelayClientOptions,
  RelayFetch,
  RelayFetchClient,
  RelayRequestInit,
  SessionEvent,
} from './api/types.ts';
export { createRelayClient } from './clients/whole.ts';
export { installRelayServiceWorker, type RelayServiceWorkerOptions } from './service-worker/install.ts';
export type { RelayRequestFailure } from './service-worker/messages.ts';
