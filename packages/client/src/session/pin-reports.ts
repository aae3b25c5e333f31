// Reports a relay that shows a key which the client does not trust, so that the operator learns of it: an intermediary in
// the relay's place, or apps that have not got the next pin.
import { URL } from '#url';
import { ignore } from '../abort.ts';
import { RelayClientError } from '../api/errors.ts';
import type { PinMismatch, RelayClientOptions } from '../api/types.ts';
import type { Platform } from '../platform/platform.ts';
import { elapsedMs, type Instant, now } from './clock.ts';

/** The client reports a shown pin once in this time. */
const REPEAT_MS = 3_600_000;
/** An intermediary can show any number of pins; the client reports this many in that time. */
const REPORTS_MAX = 16;

/**
 * The function that reports mismatches.
 * @throws RelayClientError `misuse` for a target that is not a URL, or one of the relay's own origin.
 */
export function pinReporter(
  relayOrigin: string,
  target: RelayClientOptions['reportPinMismatch'],
  platform: Pick<Platform, 'baseUrl'>,
): (mismatch: PinMismatch) => void {
  const report =
    typeof target === 'function' ? target : target && poster(relayOrigin, target, platform.baseUrl(relayOrigin));
  const reported = new Map<string, Instant>();
  return (mismatch) => {
    for (const [pin, at] of reported) if (elapsedMs(at) >= REPEAT_MS) reported.delete(pin);
    if (!report || reported.has(mismatch.shown) || reported.size >= REPORTS_MAX) return;
    reported.set(mismatch.shown, now());
    try {
      report(mismatch);
    } catch (error) {
      console.error('mte-relay: reportPinMismatch failed', error);
    }
  };
}

/** Posts a report in the form of the Reporting API (W3C), once and without waiting for the response. */
function poster(relayOrigin: string, target: string | URL, base: string): (mismatch: PinMismatch) => void {
  const url = URL.canParse(`${target}`, base) ? new URL(target, base) : undefined;
  // The intermediary that poses as the relay would receive it, and drop it.
  if (!url || url.origin === relayOrigin) {
    throw new RelayClientError(
      'misuse',
      'reportPinMismatch expected a function, or a URL of another origin than the relay',
    );
  }
  return (body) => {
    fetch(url.href, {
      method: 'POST',
      headers: { 'content-type': 'application/reports+json' },
      body: JSON.stringify([{ type: 'mte-relay-pin-mismatch', age: 0, url: relayOrigin, body }]),
      keepalive: true,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    })
      .then(({ body }) => body?.cancel(), ignore)
      .catch(ignore);
  };
}
