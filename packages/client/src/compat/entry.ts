// The entry `@mte-relay/client/compat`: `initMteRelayClient` and `mteFetch` as apps of the reference product call them,
// over this client. The names are theirs for the sake of those apps; what goes over the wire is `mte-relay/1`.
import { URL } from '#url';
import { RelayClientError } from '../api/errors.ts';
import type { RelayFetchClient } from '../api/types.ts';
import { createRelayClient } from '../clients/fetch-only.ts';
import { checkedPins, relayUrl } from '../core.ts';
import {
  checkedInitOptions,
  checkRequestOptions,
  type MteRelayClientOptions,
  type MteRequestOptions,
} from './options.ts';

export type { RelayClientErrorCode } from '../api/error-codes.ts';
export { RelayClientError } from '../api/errors.ts';
export type { MteRelayClientOptions, MteRequestOptions } from './options.ts';

interface Configuration {
  /** By origin; undefined when the pins are for every relay. */
  readonly pinsByOrigin: ReadonlyMap<string, readonly string[]> | undefined;
  readonly pins: readonly string[];
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly clients: Map<string, RelayFetchClient>;
}

let configuration: Configuration | undefined;

/**
 * Sets what {@link mteFetch} uses; nothing is sent. A second call replaces the first and closes its clients. Options
 * without effect are named in one console notice, without their values.
 * @throws RelayClientError `option-unsupported` for an option that would leave something unsealed or is not known,
 *   `misuse` for a pin or a relay's URL that is none.
 */
export async function initMteRelayClient(options: MteRelayClientOptions): Promise<void> {
  const withoutEffect = checkedInitOptions(options);
  const { pins = [], fetch } = options;
  const next: Configuration = {
    pinsByOrigin: isList(pins) ? undefined : pinsByOrigin(pins),
    pins: isList(pins) ? checkedPins(pins) : [],
    fetch,
    clients: new Map(),
  };
  for (const client of configuration?.clients.values() ?? []) client.close();
  configuration = next;
  if (withoutEffect.length > 0) {
    console.warn(`mte-relay: options without effect, to be deleted: ${withoutEffect.join(', ')}`);
  }
}

/**
 * The platform's fetch, sealed, toward the relay at the URL's origin: each origin is a relay of its own, with its own
 * session.
 * @param mteOptions how the request was to be encoded; what would leave something unsealed is refused.
 * @throws RelayClientError (a TypeError) with a `code`: `misuse` before {@link initMteRelayClient}, `option-unsupported`,
 *   `origin-not-relayed` for an origin without pins where others have them, and those of the client's fetch; or the
 *   signal's own reason. Nothing is ever sent unsealed.
 */
export async function mteFetch(
  url: string | URL | Request,
  options?: RequestInit,
  mteOptions: MteRequestOptions = {},
): Promise<Response> {
  if (!configuration) throw new RelayClientError('misuse', 'initMteRelayClient was not called');
  checkRequestOptions(mteOptions);
  const absolute = url instanceof Request ? url : new URL(url, pageUrl());
  const { origin } = new URL(absolute instanceof Request ? absolute.url : absolute);
  return await clientFor(configuration, origin).fetch(absolute, options);
}

function clientFor({ clients, pins, pinsByOrigin, fetch }: Configuration, origin: string): RelayFetchClient {
  const known = clients.get(origin);
  if (known) return known;
  const trusted = pinsByOrigin ? pinsByOrigin.get(origin) : pins;
  if (!trusted) throw new RelayClientError('origin-not-relayed', `no pins were given for a relay at ${origin}`);
  const client = createRelayClient(origin, { pins: trusted, ...(fetch && { fetch }) });
  clients.set(origin, client);
  return client;
}

function pinsByOrigin(pins: Readonly<Record<string, readonly string[]>>): Map<string, readonly string[]> {
  return new Map(Object.entries(pins).map(([url, list]) => [relayUrl(url).origin, pinsOf(url, list)]));
}

/** An empty list would trust the first key seen, which nobody means who names a relay. */
function pinsOf(url: string, list: readonly string[]): readonly string[] {
  if (list.length === 0) throw new RelayClientError('misuse', `no pins in the list for ${url}`);
  return checkedPins(list);
}

function isList(pins: NonNullable<MteRelayClientOptions['pins']>): pins is readonly string[] {
  return Array.isArray(pins);
}

/** What relative URLs are relative to; nothing outside of pages and workers. */
function pageUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
