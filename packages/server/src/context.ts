// The parts of a running relay that every request uses: made once at start, handed down, never global.
import type { SyncSuite } from '@mte-relay/protocol';
import type { Settings } from './config/settings.ts';
import type { Domains } from './domain.ts';
import type { RelayHooks } from './hooks.ts';
import type { TrustedProxies } from './http/forwarding.ts';
import type { Admission } from './limits/admission.ts';
import type { Health } from './observe/health.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Tracing } from './observe/trace.ts';
import type { ArrivingRequests } from './sessions/arriving.ts';
import type { RelayClock } from './sessions/clock.ts';
import type { SessionStore } from './sessions/store.ts';

export interface RelayContext {
  readonly settings: Settings;
  readonly suite: SyncSuite;
  readonly domains: Domains;
  readonly trustedProxies: TrustedProxies;
  readonly sessions: SessionStore;
  readonly clock: RelayClock;
  readonly hooks: RelayHooks;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly admission: Admission;
  readonly arriving: ArrivingRequests;
  /** Undefined if the relay makes no spans. */
  readonly tracing: Tracing | undefined;
}
