// The exports of the whole client. Sessions and sealing stay inside the client. Proxies use the entry /forward, and apps
// that need fetch alone use /fetch. The page behind a service worker needs no client: it uses /service-worker.

export type { RelayClientErrorCode } from './api/error-codes.ts';
export { RelayClientError } from './api/errors.ts';
export type {
  PinMismatch,
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
