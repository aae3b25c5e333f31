// The entry `@mte-relay/client/forward`: a client for proxies, which forward requests unchanged.

import type { RelayClientOptions, RelayForwarder } from '../api/types.ts';
import { makeForward } from '../call/forward.ts';
import { openCore } from '../core.ts';

export type { RelayClientErrorCode } from '../api/error-codes.ts';
export { RelayClientError } from '../api/errors.ts';
export type {
  ForwardRequest,
  ForwardResponse,
  PinMismatch,
  RelayClientBase,
  RelayClientEvents,
  RelayClientOptions,
  RelayForwarder,
  SessionEvent,
} from '../api/types.ts';

/**
 * A forwarder to one relay. Sends nothing before the first request or {@link RelayForwarder.pair}.
 * @param url the relay's origin, `https://host[:port]`.
 * @throws RelayClientError `misuse` for a URL with a path, or a pin that is not `sha256-` and 32 bytes of base64.
 */
export function createRelayForwarder(url: string | URL, options: RelayClientOptions = {}): RelayForwarder {
  const core = openCore(url, options);
  return { forward: makeForward(core), ...core.base };
}
