// What every part of a running relay shares: made once at start, handed down, never global.
import type { RelayIdentity, SyncSuite } from '@mte-relay/protocol';
import type { Settings } from './config/settings.ts';
import type { CookieJacket } from './exchange/cookies.ts';
import type { RouteSet } from './exchange/target.ts';
import type { Upstream } from './exchange/upstream.ts';
import type { Cors } from './http/cors.ts';
import type { Logger } from './observe/log.ts';
import type { ClientIds } from './pairing/client-id.ts';
import type { SessionStore } from './sessions/store.ts';

export interface RelayContext {
  readonly settings: Settings;
  readonly suite: SyncSuite;
  readonly identity: RelayIdentity;
  readonly clientIds: ClientIds;
  readonly sessions: SessionStore;
  readonly upstream: Upstream;
  readonly cookies: CookieJacket;
  readonly passThroughRoutes: RouteSet;
  readonly cors: Cors;
  readonly log: Logger;
}
