// The entry `@mte-relay/client/compat`: `initMteRelayClient` and `mteFetch` of the reference product, over this client.
// The names let its apps migrate; the wire protocol is `mte-relay/1`.
import { URL } from '#url';
import { RelayClientError } from '../api/errors.ts';
import type { RelayFetchClient } from '../api/types.ts';
import { checkedPins, relayUrl } from '../checked-options.ts';
import { createRelayClient } from '../clients/fetch-only.ts';
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
  /** Undefined when the pins are for every relay. */
  readonly pinsByOrigin: ReadonlyMap<string, readonly string[]> | undefined;
  readonly pins: readonly string[];
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly clients: Map<string, RelayFetchClient>;
}

let configuration: Configuration | undefined;

/**
 * Configures {@link mteFetch}; sends nothing. A second call replaces the first and closes its clients. Logs the names of
 * options without effect to the console, without their values.
 * @throws RelayClientError `option-unsupported` for an unknown option or one that would leave something unsealed,
 *   `misuse` for an invalid pin or relay URL.
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
    console.warn(`mte-relay: options without effect, delete them: ${withoutEffect.join(', ')}`);
  }
}

/**
 * The platform's fetch, sealed, to the relay at the URL's origin. Each origin is a separate relay with its own session.
 * Never sends anything unsealed.
 * @param mteOptions the reference product's encoding options; those that would leave something unsealed are refused.
 * @throws RelayClientError (a TypeError) with a `code`: `misuse` before {@link initMteRelayClient}, `option-unsupported`,
 *   `origin-not-relayed` for an origin without pins where others have pins, and those of the client's fetch; or the
 *   signal's reason.
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

/** Refuses an empty list, which would trust the first key seen although the caller names the relay. */
function pinsOf(url: string, list: readonly string[]): readonly string[] {
  if (list.length === 0) throw new RelayClientError('misuse', `the list of pins for ${url} is empty`);
  return checkedPins(list);
}

function isList(pins: NonNullable<MteRelayClientOptions['pins']>): pins is readonly string[] {
  return Array.isArray(pins);
}

/** Base of relative URLs; undefined outside of pages and workers. */
function pageUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
