// The whole client, of the entry `@mte-relay/client`. All its parts share one core.

import type { RelayClient, RelayClientOptions } from '../api/types.ts';
import { makeFetch } from '../call/fetch.ts';
import { openCore } from '../core.ts';
import { makeEventSource } from '../realtime/event-source.ts';
import { makeWebSocket } from '../realtime/websocket.ts';

/**
 * A client for one relay. Sends nothing before the first call or {@link RelayClient.pair}.
 * @param url the relay's origin, `https://host[:port]`.
 * @throws RelayClientError `misuse` for a URL with a path, or a pin that is not `sha256-` and 32 bytes of base64.
 */
export function createRelayClient(url: string | URL, options: RelayClientOptions = {}): RelayClient {
  const core = openCore(url, options);
  const fetch = makeFetch(core);
  return {
    fetch,
    WebSocket: makeWebSocket(core, options.WebSocket),
    EventSource: makeEventSource(core, fetch),
    ...core.base,
  };
}
