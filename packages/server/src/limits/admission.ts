// Admission: bounds on what clients may have in progress, each with its setting and its count of refusals. Sizes are
// checked where the bytes are read, times by listen/server.ts and deadlines.ts.
import { isIPv6 } from 'node:net';
import type { Settings } from '../config/settings.ts';
import type { Limit, Metrics } from '../observe/metrics.ts';
import { Deadlines } from './deadlines.ts';
import { ADDRESSES_MAX } from './fixed.ts';
import { Pacer } from './pacer.ts';

/** Counts what is in progress, and refuses what is too much. */
export class Admission {
  exchanges = 0;
  pairings = 0;
  passThroughs = 0;
  webSockets = 0;
  connections = 0;
  /** Messages and pairings whose first authenticated bytes have not arrived. */
  readonly unproven: Deadlines;
  /** Of small pieces, from whatever source. */
  readonly pacer: Pacer = new Pacer();
  readonly #settings: Settings;
  readonly #buckets: AddressBuckets;
  readonly #metrics: Metrics;

  constructor(settings: Settings, metrics: Metrics) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#buckets = new AddressBuckets(settings.PAIRINGS_BURST, settings.PAIRINGS_PER_MINUTE / 60_000);
    this.unproven = new Deadlines(settings.CLIENT_IDLE_TIMEOUT_MS);
  }

  /** Everything in progress. */
  get inProgress(): number {
    return this.exchanges + this.pairings + this.passThroughs + this.webSockets;
  }

  /** Counts of what is in progress, by kind. */
  inFlight(): { exchange: number; pairing: number; pass_through: number; websocket: number } {
    const { exchanges, pairings, passThroughs, webSockets } = this;
    return { exchange: exchanges, pairing: pairings, pass_through: passThroughs, websocket: webSockets };
  }

  /** True if one more exchange may begin; pairings and pass-through requests count as exchanges. */
  hasRoomForExchange(): boolean {
    const inProgress = this.exchanges + this.pairings + this.passThroughs;
    return inProgress < this.#settings.EXCHANGES_MAX || this.#refuse('EXCHANGES_MAX');
  }

  /** True if one more WebSocket may open, sealed or passed through. */
  hasRoomForWebSocket(): boolean {
    return this.webSockets < this.#settings.WEBSOCKETS_MAX || this.#refuse('WEBSOCKETS_MAX');
  }

  /** True if one more pairing may begin. */
  hasRoomForPairing(): boolean {
    return this.pairings < this.#settings.PAIRINGS_CONCURRENT_MAX || this.#refuse('PAIRINGS_CONCURRENT_MAX');
  }

  /** Takes the right to one pairing: 0, or the milliseconds until this address may pair. */
  takePairing(clientAddress: string): number {
    const waitMs = this.#buckets.take(networkOf(clientAddress), performance.now());
    if (waitMs > 0) this.#refuse('PAIRINGS_PER_MINUTE');
    return waitMs;
  }

  /** False for a request with more header fields than OUTER_FIELDS_MAX. @param rawHeaders names and values. */
  allowsFields(rawHeaders: readonly string[]): boolean {
    return rawHeaders.length <= 2 * this.#settings.OUTER_FIELDS_MAX || this.#refuse('OUTER_FIELDS_MAX');
  }

  #refuse(limit: Limit): false {
    this.#metrics.limits[limit].value += 1;
    return false;
  }
}

/** Token buckets of at most {@link ADDRESSES_MAX} addresses. */
export class AddressBuckets {
  readonly #capacity: number;
  readonly #refillPerMs: number;
  /** Least recently used first. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(capacity: number, refillPerMs: number) {
    this.#capacity = capacity;
    this.#refillPerMs = refillPerMs;
  }

  /** Number of addresses remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token: 0, or the milliseconds until there is one. */
  take(address: string, nowMs: number): number {
    const bucket = this.#buckets.get(address) ?? { tokens: this.#capacity, atMs: nowMs };
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > ADDRESSES_MAX) this.#buckets.delete(this.#buckets.keys().next().value as string);
    bucket.tokens = Math.min(this.#capacity, bucket.tokens + (nowMs - bucket.atMs) * this.#refillPerMs);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.#refillPerMs;
    bucket.tokens -= 1;
    return 0;
  }
}

/** One client's network: an IPv4 address, or the /64 of one IPv6 subscriber. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::') as [string, string?];
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    while (groups.length + behind < 8) groups.push('0');
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
