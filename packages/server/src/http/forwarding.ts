// The hops of a request before the relay, and how the relay forwards them (RFC 7239, and the older X-Forwarded fields).
// The relay believes a peer's forwarding fields only if that peer is a trusted proxy.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FORWARDED_ADDRESSES_MAX } from '../limits/fixed.ts';

/** The hops of one request before this relay. */
export interface Forwarding {
  /** The client's address: the nearest one that is not a trusted proxy. */
  readonly clientAddress: string;
  /** The client and every proxy after it, in order. */
  readonly chain: readonly string[];
  readonly scheme: 'http' | 'https';
  readonly host: string;
}

/** Reads `X-Forwarded-*` of trusted proxies. */
export class TrustedProxies {
  readonly #trusted: BlockList;
  readonly #none: boolean;

  /** @param ranges addresses and CIDR ranges, as TRUSTED_PROXIES; see {@link isAddressRange}. */
  constructor(ranges: readonly string[]) {
    this.#trusted = new BlockList();
    this.#none = ranges.length === 0;
    for (const range of ranges) {
      const [address, prefix] = range.split('/') as [string, string | undefined];
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.#trusted.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family);
    }
  }

  /** The hops of a request. */
  read(req: IncomingMessage): Forwarding {
    const peer = peerAddress(req.socket);
    const host = req.headers.host ?? '';
    const scheme = (req.socket as Partial<TLSSocket>).encrypted ? 'https' : 'http';
    if (!this.trusts(req.socket)) return { clientAddress: peer, chain: [peer], scheme, host };
    const chain = [...forwardedFor(req), peer];
    let clientAt = chain.length - 1;
    while (clientAt > 0 && this.#isTrusted(chain[clientAt] as string)) clientAt -= 1;
    const claimedScheme = lastOf(req.headers['x-forwarded-proto']);
    return {
      clientAddress: chain[clientAt] as string,
      chain: chain.slice(clientAt),
      scheme: claimedScheme === 'http' || claimedScheme === 'https' ? claimedScheme : scheme,
      host: lastOf(req.headers['x-forwarded-host']) ?? host,
    };
  }

  /** True if the peer of a connection is a trusted proxy. */
  trusts(socket: IncomingMessage['socket']): boolean {
    return !this.#none && this.#isTrusted(peerAddress(socket));
  }

  #isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** True for an address, or an address and a prefix length. */
export function isAddressRange(text: string): boolean {
  const [address, prefix, ...rest] = text.split('/');
  const family = isIP(address ?? '');
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}

function peerAddress(socket: { readonly remoteAddress?: string | undefined }): string {
  return socket.remoteAddress === undefined ? 'unknown' : plainAddress(socket.remoteAddress);
}

/** An IPv4 address that a dual-stack socket reports as ::ffff:192.0.2.1, as IPv4: one client has one address. */
function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

/** An address in brackets, an IPv6 one with a port, or an IPv4 one with a port. */
const WRITTEN_WITH_PORT = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[\d.]+))(?::\d{1,5})?$/;

/** The address of one item of `X-Forwarded-For`, undefined if it is not an address. Some proxies append the port. */
function addressIn(item: string): string | undefined {
  const { v6, v4 } = (isIP(item) === 0 ? WRITTEN_WITH_PORT.exec(item)?.groups : undefined) ?? {};
  const address = v6 ?? v4 ?? item;
  return isIP(address) === 0 ? undefined : plainAddress(address);
}

/** The hops that the upstream is informed of. */
export interface ForwardedWay {
  readonly chain: readonly string[];
  readonly scheme: string;
  readonly host: string;
}

/** The forwarding fields for the upstream, flat: name, value, name, value. */
export function forwardingFields(way: ForwardedWay): string[] {
  const { chain, scheme } = way;
  const host = HOST.test(way.host) ? way.host : ''; // from the client: it must not end a quoted string
  const fields = ['x-forwarded-for', chain.join(', '), 'x-forwarded-proto', scheme];
  if (host !== '') fields.push('x-forwarded-host', host);
  const hops = chain.map((address, at) => {
    const node = `for=${isIP(address) === 6 ? `"[${address}]"` : isIP(address) === 4 ? address : 'unknown'}`;
    return at === 0 ? `${node};proto=${scheme}${host === '' ? '' : `;host="${host}"`}` : node;
  });
  fields.push('forwarded', hops.join(', '));
  return fields;
}

const HOST = /^[A-Za-z0-9.:[\]-]+$/;

/** Addresses of `X-Forwarded-For`, first hop first, from the nearest back to the first item that is not an address. */
function forwardedFor(req: IncomingMessage): string[] {
  const text = req.headers['x-forwarded-for'];
  const listed = (Array.isArray(text) ? text.join(',') : (text ?? '')).split(',').map((item) => item.trim());
  const believed: string[] = [];
  for (const item of listed.reverse().slice(0, FORWARDED_ADDRESSES_MAX)) {
    const address = addressIn(item);
    if (address === undefined) break;
    believed.unshift(address);
  }
  return believed;
}

/** The last item of a comma-separated field, which the nearest proxy has added. */
function lastOf(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value.join(',') : value;
  const last = text?.split(',').at(-1)?.trim();
  return last === undefined || !/^[\x21\x23-\x2b\x2d-\x7e]+$/.test(last) ? undefined : last;
}
