// What the checks of one run share: the way to the relay, what was learnt on it, and where findings go.
import type { Bytes, RequestHead, Suite } from '@mte-relay/protocol';
import type { Hop } from './hop.ts';
import type { DoctorOptions } from './options.ts';
import type { Report } from './report.ts';
import type { DoctorSession } from './seal.ts';

/** A public key that discovery shows. */
export interface ShownKey {
  readonly publicKey: Bytes;
  readonly pin: string;
}

/** One run. */
export interface Examination {
  readonly options: DoctorOptions;
  readonly hop: Hop;
  readonly suite: Suite;
  readonly report: Report;
  /** PEM of `--ca`. */
  readonly ca: string | undefined;
  /** False when the certificate cannot be believed. */
  tlsProven: boolean;
  /** Newest first. */
  keys: readonly ShownKey[];
  /** The key to pair with. */
  trusted: ShownKey | undefined;
  session: DoctorSession | undefined;
}

/**
 * A request that the relay answers itself, inside the seal, with 400 `path-refused`: its path policy refuses "*" before
 * anything is forwarded, so all of the relay is used and nothing runs at the upstream.
 */
export function harmless(session: DoctorSession): RequestHead {
  return session.head('OPTIONS', '*');
}

/** The relay's own answer to {@link harmless}. */
export const HARMLESS_FAILURE = 'path-refused';

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
