// The options that every entry of the package checks alike, in a file that loads no client.
import { PAD_TO_MAX_BYTES, PIN } from '@mte-relay/protocol';
import { URL } from '#url';
import { RelayClientError } from './api/errors.ts';

/** The relay's origin. @throws RelayClientError `misuse`. */
export function relayUrl(url: string | URL): URL {
  const parsed = URL.canParse(`${url}`) ? new URL(url) : undefined;
  const extra = parsed && parsed.pathname + parsed.search + parsed.username + parsed.password;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || extra !== '/') {
    // The message omits the URL, which may contain a password.
    throw new RelayClientError('misuse', 'relay URL expected https://host[:port] alone');
  }
  return parsed;
}

/** The same multiple, checked. @throws RelayClientError `misuse`. */
export function checkedPadding(padToBytes: number): number {
  if (Number.isInteger(padToBytes) && padToBytes >= 0 && padToBytes <= PAD_TO_MAX_BYTES) return padToBytes;
  throw new RelayClientError('misuse', `padToBytes expected 0 to ${PAD_TO_MAX_BYTES}, got ${padToBytes}`);
}

/** The same pins, checked. @throws RelayClientError `misuse`. */
export function checkedPins(pins: readonly string[]): readonly string[] {
  for (const pin of pins) {
    if (!PIN.test(pin))
      throw new RelayClientError('misuse', `pin expected sha256- and 44 characters in a list, got "${pins}"`);
  }
  return pins;
}
