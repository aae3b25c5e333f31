// Table of contents of the whole client. Left out on purpose: sessions and sealing, which only the client may hold, and
// what a proxy needs, which has its own entry (/forward). An app that needs fetch alone loads /fetch.

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
export type { WorkerConfiguration } from './service-worker/configuration.ts';
export { installRelayServiceWorker, type RelayServiceWorkerOptions } from './service-worker/install.ts';
export type { RelayRequestFailure } from './service-worker/messages.ts';
