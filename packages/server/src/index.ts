// The exports for programs that embed the relay.
export { type Claim, ReplayWindow } from '@mte-relay/protocol';
export { readEnvironment } from './config/configuration.ts';
export { loadSettings, settingsWarnings } from './config/load.ts';
export type { SessionStoreFactory, StartupScript } from './config/modules.ts';
export { ConfigError, type ConfigProblem } from './config/problems.ts';
export type { Settings } from './config/settings.ts';
export type { SettingsAdapter } from './config/sources.ts';
export type { ExchangeRequest, HookRefusal, HookRequest, HookResponse, RelayHooks } from './hooks.ts';
export type { SessionLifetimes } from './limits/fixed.ts';
export { createRelay, type Relay, type RelayOptions } from './relay.ts';
export { MemorySessionStore } from './sessions/memory.ts';
export type {
  ClaimPurpose,
  NewSession,
  Session,
  SessionStore,
  StoreBirth,
  StoreClaim,
} from './sessions/store.ts';
export { StoreFullError, StoreUnavailableError } from './sessions/store.ts';
