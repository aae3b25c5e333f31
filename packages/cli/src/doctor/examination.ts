// The state that the checks of one run share: the connection to the relay, earlier results, and the report.
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
  /** True when the certificate is trusted, or without TLS on this machine. */
  tlsProven: boolean;
  /** Newest first. */
  keys: readonly ShownKey[];
  /** The key to pair with. */
  trusted: ShownKey | undefined;
  session: DoctorSession | undefined;
}

/**
 * A request to which the relay itself responds, sealed, with 400 `path-refused`. Its path policy refuses "*" before it
 * forwards anything, so the request tests the whole relay and never reaches the upstream.
 */
export function harmless(session: DoctorSession): RequestHead {
  return session.head('OPTIONS', '*');
}

/** The relay's own response to {@link harmless}. */
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
