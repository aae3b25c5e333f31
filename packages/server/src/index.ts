// Embedding: a relay as an object in a Node program. The command `mte-relay-server` is a thin shell around it.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { nodeSuite } from '@mte-relay/protocol/node';
import { loadSettings } from './config/load.ts';
import type { Settings } from './config/settings.ts';
import type { RelayContext } from './context.ts';
import { Domains } from './domain.ts';
import { TrustedProxies } from './http/forwarding.ts';
import { closeHttpServer, createHttpServer } from './http/server.ts';
import { createLogger, type Logger } from './observe/log.ts';
import { MemorySessionStore } from './sessions/memory.ts';
import type { SessionStore } from './sessions/store.ts';

export { ConfigError, type ConfigProblem, loadSettings, settingsWarnings } from './config/load.ts';
export type { Settings } from './config/settings.ts';
export type { NewSession, Session, SessionLifetimes, SessionStore } from './sessions/store.ts';
export { MemorySessionStore };

/** How to make a relay. */
export interface RelayOptions {
  /** Settings by variable name, as strings; the default is `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where sessions are kept; the default is this process's memory. */
  readonly sessions?: SessionStore;
  /** The default writes JSON lines to standard output. */
  readonly log?: Logger;
}

/** A running relay. */
export interface Relay {
  readonly settings: Settings;
  /** What clients pin; of the first domain, when there are several. */
  readonly pin: string;
  /** What clients of each domain pin, by its host. */
  readonly pins: ReadonlyMap<string, string>;
  /**
   * Starts to listen.
   * @param port default PORT; 0 takes any free one.
   * @returns the port.
   */
  listen(port?: number): Promise<number>;
  /** Stops accepting, lets exchanges finish (SHUTDOWN_TIMEOUT_MS at most) and lets everything go. */
  close(): Promise<void>;
}

/**
 * Makes a relay; it does not listen yet.
 * @throws ConfigError with every problem of the settings.
 */
export function createRelay(options: RelayOptions = {}): Relay {
  const settings = loadSettings(options.environment ?? process.env);
  const context = createContext(settings, options);
  const server = createHttpServer(context);
  const pins = new Map([...context.domains.all()].map(({ name, pin }) => [name, pin]));
  return {
    settings,
    pin: [...pins.values()][0] as string,
    pins,
    listen: (port = settings.PORT) => listen(server, port),
    async close() {
      await closeHttpServer(server, settings.SHUTDOWN_TIMEOUT_MS);
      await Promise.all([...context.domains.all()].map(({ upstream }) => upstream.destroy()));
      await context.sessions.close();
    },
  };
}

function createContext(settings: Settings, options: RelayOptions): RelayContext {
  const suite = nodeSuite();
  return {
    settings,
    suite,
    domains: new Domains(suite, settings),
    trustedProxies: new TrustedProxies(settings.TRUSTED_PROXIES),
    sessions:
      options.sessions ??
      new MemorySessionStore({ sessionsMax: settings.SESSIONS_MAX, soleInstance: isSoleInstance(settings) }),
    log: options.log ?? createLogger(settings.LOG_LEVEL),
  };
}

/** Pods of one deployment overlap while it is updated, so in Kubernetes only the operator can promise otherwise. */
function isSoleInstance(settings: Settings): boolean {
  if (settings.SOLE_INSTANCE !== 'auto') return settings.SOLE_INSTANCE === 'true';
  return process.env['KUBERNETES_SERVICE_HOST'] === undefined;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
