// createRelay: connects the parts, and is the relay as an object in a Node program.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { SyncSuite } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { adminPortOf, loadSettings } from './config/load.ts';
import { ConfigError } from './config/problems.ts';
import type { Settings } from './config/settings.ts';
import { readSources } from './config/sources.ts';
import type { RelayContext } from './context.ts';
import { Domains } from './domain.ts';
import type { RelayHooks } from './hooks.ts';
import { TrustedProxies } from './http/forwarding.ts';
import { Admission } from './limits/admission.ts';
import { IN_PROGRESS_POLL_MS } from './limits/fixed.ts';
import { createAdminServer } from './listen/admin.ts';
import { PublicFiles } from './listen/public-files.ts';
import { Router } from './listen/router.ts';
import { closeHttpServer, createHttpServer } from './listen/server.ts';
import { Turns } from './listen/turns.ts';
import { Upgrades } from './listen/upgrade.ts';
import { faultOf } from './observe/fault.ts';
import { Health } from './observe/health.ts';
import { createLogger, type Logger } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { type OpenTelemetry, Tracing } from './observe/trace.ts';
import { ArrivingRequests } from './sessions/arriving.ts';
import { RelayClock } from './sessions/clock.ts';
import { MemorySessionStore } from './sessions/memory.ts';
import { PatientStore } from './sessions/patient.ts';
import { RedisSessionStore } from './sessions/redis.ts';
import type { SessionStore } from './sessions/store.ts';

/** The options of {@link createRelay}. */
export interface RelayOptions {
  /**
   * Settings by variable name, as strings, with NAME_FILE and CONFIG_FILE; default `process.env`. For a settings
   * adapter, pass the result of {@link readEnvironment}.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /**
   * The session store; default this process's memory, or Redis with REDIS_URL. A request for which the store has not
   * responded within 10 seconds is refused with 503.
   */
  readonly sessions?: SessionStore;
  /** Default: JSON lines to standard output, or LOG_MODULE. */
  readonly log?: Logger;
  /** Decide on opened requests, annotate responses. */
  readonly hooks?: RelayHooks;
  /**
   * The program's own `import * as openTelemetry from '@opentelemetry/api'`: each exchange then becomes a span of the
   * tracer provider that the program has registered, in the trace that its propagator finds in the inner request. The
   * default makes no spans; the variables OTEL_… are read by the command alone.
   */
  readonly openTelemetry?: OpenTelemetry;
}

/** A running relay. */
export interface Relay {
  readonly settings: Settings;
  /** The pin for clients; that of the first domain if there are several. */
  readonly pin: string;
  /** The pin for clients of each domain, by its host. */
  readonly pins: ReadonlyMap<string, string>;
  /** Integrity hashes of the scripts for script tags, by path; empty if PUBLIC_FILES is off. */
  readonly integrity: Readonly<Record<string, string>>;
  /**
   * Starts to listen.
   * @param port default PORT; 0 for any free port.
   * @returns the port.
   */
  listen(port?: number): Promise<number>;
  /** Port of /livez, /readyz and /metrics once the relay listens; undefined if ADMIN_PORT is off. */
  readonly adminPort: number | undefined;
  /** Metrics in Prometheus' text format, for a relay that does not listen itself. */
  metrics(): Promise<string>;
  /** True for a request that the relay handles: its endpoints and files, pass-through routes, sealed messages. */
  handles(req: IncomingMessage): boolean;
  /** Handles a request of another node:http server; its body must not have been read. */
  handler(req: IncomingMessage, res: ServerResponse): void;
  /** The same for Express and similar frameworks, before any body parser; calls `next` for other requests. */
  middleware(req: IncomingMessage, res: ServerResponse, next: () => void): void;
  /**
   * Handles an `upgrade` event of another node:http server.
   * @returns false for another upgrade, which the relay does not touch.
   */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /**
   * Begins a shutdown: the relay is not ready from now on, and closes each connection after its next response. It still
   * serves until {@link Relay.close}, so that load balancers notice; the caller waits for DRAIN_DELAY_MS.
   */
  drain(): void;
  /** Stops accepting, lets exchanges finish (for SHUTDOWN_TIMEOUT_MS at most) and closes every resource. */
  close(): Promise<void>;
}

/**
 * Makes a relay, which does not listen yet.
 * @throws ConfigError with every problem of the settings.
 */
export function createRelay(options: RelayOptions = {}): Relay {
  const sources = readSources(options.environment ?? process.env);
  const settings = loadSettings(sources.environment, sources);
  if (settings.SESSIONS_MODULE && !options.sessions) throw new ConfigError([STORE_NOT_GIVEN]);
  const context = createContext(settings, options);
  const publicFiles = openPublicFiles(context);
  const router = new Router(context, publicFiles);
  const turns = new Turns(router);
  const server = createHttpServer(context, turns);
  const upgrades = new Upgrades(context);
  server.on('upgrade', (req, socket, head) => upgrades.handle(req, socket, head));
  let admin: Server | undefined;
  const pins = new Map([...context.domains.all()].map(({ name, pins: [newest] }) => [name, newest]));
  return {
    settings,
    pin: [...pins.values()][0] as string,
    pins,
    integrity: publicFiles.integrity,
    async listen(port = settings.PORT) {
      const adminPort = adminPortOf(settings, port);
      if (adminPort !== undefined) {
        admin = createAdminServer(context);
        await listen(admin, adminPort, 'ADMIN_PORT', settings.ADMIN_HOST);
      }
      try {
        const listening = await listen(server, port, 'PORT');
        context.health.listening = true;
        return listening;
      } catch (error) {
        admin?.close(); // it would keep the process alive
        throw error;
      }
    },
    get adminPort() {
      return (admin?.address() as AddressInfo | null | undefined)?.port;
    },
    metrics: () => context.metrics.text(),
    drain: () => context.health.drain(),
    handles: (req) => router.handles(req),
    handler: (req, res) => turns.take(req, res),
    middleware(req, res, next) {
      if (router.handles(req)) turns.take(req, res);
      else next();
    },
    upgrade(req, socket, head) {
      const handles = upgrades.handles(req);
      if (handles) upgrades.handle(req, socket, head);
      return handles;
    },
    async close() {
      context.health.drain();
      const deadlineMs = performance.now() + settings.SHUTDOWN_TIMEOUT_MS;
      upgrades.close(settings.SHUTDOWN_TIMEOUT_MS);
      await closeHttpServer(server, settings.SHUTDOWN_TIMEOUT_MS);
      // Requests of another server, which the relay does not close.
      while (context.admission.inProgress > 0 && performance.now() < deadlineMs) await setTimeout(IN_PROGRESS_POLL_MS);
      context.health.listening = false;
      await Promise.all([...context.domains.all()].map(({ upstream }) => upstream.destroy()));
      await closeStore(context);
      context.admission.unproven.close();
      // Last, so that metrics show the shutdown.
      if (admin) await closeHttpServer(admin, 0);
    },
  };
}

/** Never rejects: a store that cannot be closed keeps nothing else open. */
async function closeStore({ log, sessions }: RelayContext): Promise<void> {
  try {
    await sessions.close();
  } catch (error) {
    log.error({ fault: faultOf(error) }, 'cannot close session store');
  }
}

/** To load a module is asynchronous, and createRelay is not. */
const STORE_NOT_GIVEN = {
  name: 'SESSIONS_MODULE',
  seen: 'set, where modules are not loaded',
  expected: 'the command mte-relay-server, or the option `sessions`',
};

function createContext(settings: Settings, options: RelayOptions): RelayContext {
  const suite = nodeSuite();
  const log = options.log ?? createLogger(settings.LOG_LEVEL, settings.LOG_MODULE);
  const sessions = options.sessions ? new PatientStore(options.sessions) : createSessionStore(settings, suite, log);
  const health = new Health(sessions);
  const domains = new Domains(suite, settings);
  const metrics = new Metrics({
    inFlight: () => admission.inFlight(),
    connections: () => admission.connections,
    sessions: () => sessions.size,
    sessionsCached: () => sessions.cached,
    checks: () => health.checks(),
    limits: settings,
    redisCa: settings.REDIS_CA,
    domains: [...domains.all()],
  });
  const admission = new Admission(settings, metrics);
  return {
    settings,
    suite,
    domains,
    trustedProxies: new TrustedProxies(settings.TRUSTED_PROXIES),
    sessions,
    clock: new RelayClock(),
    hooks: options.hooks ?? {},
    log,
    metrics,
    health,
    admission,
    arriving: new ArrivingRequests(),
    tracing: options.openTelemetry && new Tracing(options.openTelemetry),
  };
}

/** Without these files the relay still relays: an image may be built without the scripts for browsers. */
function openPublicFiles({ settings, domains, log }: RelayContext): PublicFiles {
  try {
    return new PublicFiles(settings.PUBLIC_FILES === 'on' ? domains.all() : undefined);
  } catch (error) {
    log.warn(`cannot serve /public: ${(error as Error).message}`);
    return new PublicFiles(undefined);
  }
}

function createSessionStore(settings: Settings, suite: SyncSuite, log: Logger): SessionStore {
  const { REDIS_URL: target, REDIS_CA: ca } = settings;
  if (!target) {
    const soleInstance = settings.SOLE_INSTANCE === 'true';
    return new MemorySessionStore({
      sessionsMax: settings.SESSIONS_MAX,
      perNetworkMax: settings.SESSIONS_PER_NETWORK_MAX,
      soleInstance,
    });
  }
  return new RedisSessionStore({
    target,
    ca,
    keyPrefix: settings.REDIS_KEY_PREFIX,
    timeoutMs: settings.REDIS_TIMEOUT_MS,
    sessionsCachedMax: settings.REDIS_SESSIONS_CACHED_MAX,
    perNetworkMax: settings.SESSIONS_PER_NETWORK_MAX,
    secrets: new Map([...settings.domains].map(([name, { CLIENT_ID_SECRET }]) => [name, CLIENT_ID_SECRET])),
    suite,
    log,
  });
}

/** @param setting the variable of the port, for the error. @param host default: every address. */
function listen(server: Server, port: number, setting: string, host = '::'): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      reject(new Error(`cannot listen on ${setting} ${port}: ${(cause as NodeJS.ErrnoException).code}`, { cause }));
    };
    server.once('error', fail);
    // Without "::", so that a machine without IPv6 listens on 0.0.0.0.
    server.listen({ port, ...(host === '::' ? {} : { host }) }, () => {
      server.off('error', fail);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
