// The entry `@mte-relay/client/fetch`: a client with fetch alone, the smallest download for a browser.

import type { RelayClientOptions, RelayFetchClient } from '../api/types.ts';
import { makeFetch } from '../call/fetch.ts';
import { openCore } from '../core.ts';

export type { RelayClientErrorCode } from '../api/error-codes.ts';
export { RelayClientError } from '../api/errors.ts';
export type {
  PinMismatch,
  Progress,
  RelayClientBase,
  RelayClientEvents,
  RelayClientOptions,
  RelayFetch,
  RelayFetchClient,
  RelayRequestInit,
  SessionEvent,
} from '../api/types.ts';

/**
 * A client for one relay, with fetch alone. Sends nothing before the first call or {@link RelayFetchClient.pair}.
 * @param url the relay's origin, `https://host[:port]`.
 * @throws RelayClientError `misuse` for a URL with a path, or a pin that is not `sha256-` and 32 bytes of base64.
 */
export function createRelayClient(url: string | URL, options: RelayClientOptions = {}): RelayFetchClient {
  const core = openCore(url, options);
  return { fetch: makeFetch(core), ...core.base };
}
