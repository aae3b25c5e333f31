// Table of contents of the client. Left out on purpose: sessions and sealing, which only the client may hold.
export { createRelayClient } from './client.ts';
export { RelayClientError, type RelayClientErrorCode } from './errors.ts';
export type {
  ForwardAnswer,
  ForwardRequest,
  Progress,
  RelayClient,
  RelayClientEvents,
  RelayClientOptions,
  RelayRequestInit,
  SessionEvent,
} from './options.ts';
