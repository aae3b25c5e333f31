// The way to Redis: one server, the master that sentinels name, or a cluster. It fails fast and comes back by itself:
// no command waits for a connection, every one is bounded in time, and a connection that stays silent is replaced.
//
// Azure's managed Redis: `rediss://:<access key>@<name>.<region>.redis.azure.net:10000` under the clustering policies
// Enterprise and NonClustered, `rediss+cluster://…` under OSSCluster, whose nodes are addresses and show the
// certificate of that name. Access keys must be enabled. It keeps INFO from scripts; see the decision on failover.
import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import type { Logger } from 'pino';
import {
  CLUSTER_REDIRECTIONS_MAX,
  CLUSTER_SILENT_MS,
  COMMANDS_WAITING_MAX,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  SENTINEL_POLL_MS,
  SILENT_TIMEOUTS,
} from '../limits/fixed.ts';
import type { RedisScript } from './redis-script.ts';
import { describeTarget, type RedisNode, type RedisTarget } from './redis-url.ts';
import { StoreUnavailableError } from './store.ts';

export interface RedisConnectionOptions {
  readonly target: RedisTarget;
  /** PEM. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly log: Logger;
  /** On a new connection before it counts as one. Rejects to give it up. */
  onConnected(): Promise<void>;
  onLost(): void;
  /** A node of a cluster was connected, first or anew: its slots may have another master now. */
  onTopologyChange(): void;
}

/** A reply's bulk strings are Buffers. */
export type RedisReply = null | number | Buffer | readonly RedisReply[];

/** What the three kinds of clients have in common. */
interface Driver {
  readonly load: Load;
  /** True where a server that hangs is hidden by the answers of others. */
  readonly isMany: boolean;
  send(firstKey: string, args: (string | Buffer)[]): Promise<RedisReply>;
  destroy(): void;
}

/** How one driver bears up. */
class Load {
  readonly bornMs: number = performance.now();
  unanswered = 0;
  /** Since when commands have been unanswered without any answer coming. */
  silentSinceMs = 0;
}

/** Refusals by which a server says that it is not, or no longer, the one to ask. */
const NOT_THE_MASTER = /READONLY|MASTERDOWN|LOADING/;

/** One connection that is replaced as often as needed. Starts at once. */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #driver: Driver | undefined;
  #lost: ((reason: Error) => void) | undefined;
  #renewing = false;
  #failedTries = 0;
  #causeTold = '';

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Runs a script on the server that holds its key. Rejects with StoreUnavailableError. */
  async run(script: RedisScript, key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    try {
      return await this.send(key, ['EVALSHA', script.sha1, '1', key, ...args]);
    } catch (error) {
      // A server that has not met the script has not run it: after a restart, a failover, SCRIPT FLUSH.
      if (!/NOSCRIPT/.test((error as Error).message)) throw error;
      return await this.send(key, ['EVAL', script.text, '1', key, ...args]);
    }
  }

  /** Sends a command that touches one key. Commands of one tick leave in one write. */
  send(key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    const driver = this.#driver;
    if (!driver) return Promise.reject(new StoreUnavailableError('Redis is not connected'));
    const { load } = driver;
    if (load.unanswered >= COMMANDS_WAITING_MAX)
      return Promise.reject(new StoreUnavailableError('Redis is overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<RedisReply>();
    const timeout = setTimeout(() => {
      reject(new StoreUnavailableError(`Redis did not answer within ${this.#options.timeoutMs} ms`));
      this.#suspect(driver);
    }, this.#options.timeoutMs);
    const settle = (): void => {
      clearTimeout(timeout);
      load.unanswered -= 1;
      load.silentSinceMs = performance.now();
    };
    if (load.unanswered === 0) load.silentSinceMs = performance.now();
    load.unanswered += 1;
    driver.send(key, args).then(
      (reply) => {
        settle();
        resolve(reply);
      },
      (error: Error) => {
        settle();
        reject(new StoreUnavailableError(error.message, { cause: error }));
        // One node of a cluster that is loading takes nobody along; one that was demoted says where its slots are.
        if (!driver.isMany && NOT_THE_MASTER.test(error.message)) this.#give(driver, error);
      },
    );
    return promise;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#give(this.#driver, new Error('closed'));
    await this.#running;
  }

  /** True for good once {@link RedisConnection.close} was called. */
  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** A server that hangs keeps its connection: it is replaced for its silence; one of many for any late answer. */
  #suspect(driver: Driver): void {
    const nowMs = performance.now();
    const patienceMs = SILENT_TIMEOUTS * this.#options.timeoutMs;
    const { bornMs, silentSinceMs } = driver.load;
    const silentMs = driver.isMany ? Math.max(patienceMs, CLUSTER_SILENT_MS) : patienceMs;
    if (nowMs - silentSinceMs >= silentMs) this.#give(driver, new Error('Redis is silent'));
    else if (driver.isMany && nowMs - bornMs >= 2 * patienceMs) void this.#renew(driver);
  }

  /**
   * Looks at the cluster anew, since one of its nodes hangs and may have been replaced. The nodes that answer go on being
   * asked meanwhile, and what they have been asked is answered.
   */
  async #renew(old: Driver): Promise<void> {
    if (this.#renewing || old !== this.#driver) return;
    this.#renewing = true;
    try {
      const renewed = await this.#connectCluster();
      if (old !== this.#driver) return renewed.destroy(); // lost or closed since
      this.#driver = renewed;
      this.#options.log.info({ redis: describeTarget(this.#options.target) }, 'Redis is connected anew: a node hangs');
      setTimeout(() => old.destroy(), this.#options.timeoutMs).unref(); // by then every caller has its answer
    } catch {
      // The nodes that answered go on; the next late answer tries again.
    } finally {
      this.#renewing = false;
    }
  }

  #give(driver: Driver | undefined, reason: Error): void {
    if (driver && driver === this.#driver) this.#lost?.(reason);
  }

  async #run(): Promise<void> {
    const { log, target } = this.#options;
    while (!this.closed) {
      const { promise: lost, resolve } = Promise.withResolvers<Error>();
      let driver: Driver | undefined;
      try {
        driver = await this.#connect(resolve);
        this.#driver = driver;
        this.#lost = resolve;
        if (this.closed) resolve(new Error('closed'));
        await Promise.race([this.#options.onConnected(), lost.then((reason) => Promise.reject(reason))]);
        log.info({ redis: describeTarget(target) }, 'Redis is connected');
        this.#failedTries = 0;
        this.#causeTold = '';
        const reason = await lost;
        if (!this.closed) log.error({ redis: describeTarget(target), cause: causeOf(reason) }, 'Redis was lost');
      } catch (error) {
        this.#tell(causeOf(error));
      }
      if (this.#driver) this.#options.onLost();
      (this.#driver ?? driver)?.destroy();
      this.#driver = undefined;
      await this.#pause();
    }
  }

  /** Once per cause, not per try: what keeps Redis away may change while it is away. */
  #tell(cause: string): void {
    if (this.closed || cause === this.#causeTold) return;
    this.#causeTold = cause;
    this.#options.log.error({ redis: describeTarget(this.#options.target), cause }, 'Redis cannot be reached');
  }

  async #pause(): Promise<void> {
    const ms = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** this.#failedTries);
    this.#failedTries += 1;
    if (this.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, randomInt(Math.ceil(ms / 2), ms + 1)); // not all relays at once
      const signal = this.#closed.signal;
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }

  // Connecting.

  async #connect(onLost: (reason: Error) => void): Promise<Driver> {
    const { target } = this.#options;
    if (target.kind === 'cluster') return this.#connectCluster();
    if (target.kind === 'single') return this.#connectServer(target.nodes[0] as RedisNode, onLost);
    const master = await this.#askSentinels();
    const driver = await this.#connectServer(master, onLost);
    let asking = false; // sentinels that hang take longer than until the next time
    const watch = setInterval(async () => {
      if (asking) return;
      asking = true;
      try {
        const { host, port } = await this.#askSentinels();
        if (host !== master.host || port !== master.port) onLost(new Error('the sentinels name another master'));
      } catch {
        // No sentinel answers: the master may well be there.
      } finally {
        asking = false;
      }
    }, SENTINEL_POLL_MS);
    return {
      ...driver,
      destroy() {
        clearInterval(watch);
        driver.destroy();
      },
    };
  }

  async #connectServer(node: RedisNode, onLost: (reason: Error) => void): Promise<Driver> {
    const { username, password, database } = this.#options.target;
    const { createClient, RESP_TYPES } = await loadRedis();
    const replies = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
    const client = createClient({
      ...this.#clientOptions(),
      ...account(username, password),
      socket: { ...this.#socketOptions(), ...node },
      database,
    });
    client.on('error', onLost);
    client.on('end', () => onLost(new Error('the connection was closed')));
    await this.#orDestroyed(client, client.connect());
    return {
      load: new Load(),
      isMany: false,
      send: (_key, args) => client.sendCommand(args, replies) as Promise<RedisReply>,
      destroy: () => client.destroy(),
    };
  }

  async #connectCluster(): Promise<Driver> {
    const { target, timeoutMs } = this.#options;
    const { createCluster, RESP_TYPES } = await loadRedis();
    const replies = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
    const cluster = createCluster({
      rootNodes: target.nodes.map(({ host, port }) => ({ socket: { host, port } })),
      defaults: {
        ...this.#clientOptions(),
        ...account(target.username, target.password),
        socket: {
          ...this.#socketOptions(),
          reconnectStrategy: (tries: number) => Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** tries),
        },
      },
      RESP: 2,
      // Else one node that is away holds up all of them whenever the cluster is looked at anew.
      minimizeConnections: true,
      maxCommandRedirections: CLUSTER_REDIRECTIONS_MAX,
      topologyRefreshOnReconnectionAttemptStrategy: timeoutMs,
      commandOptions: NO_TIMEOUT_OF_ITS_OWN,
    });
    cluster.on('error', () => undefined); // what matters of it shows in the commands
    cluster.on('node-error', () => undefined);
    cluster.on('node-ready', () => this.#options.onTopologyChange());
    await this.#orDestroyed(cluster, cluster.connect());
    return {
      load: new Load(),
      isMany: true,
      send: (key, args) => cluster.sendCommand(key, false, args, replies) as unknown as Promise<RedisReply>,
      destroy: () => void cluster.destroy(),
    };
  }

  /** The address of the master by the first sentinel that knows it. */
  async #askSentinels(): Promise<RedisNode> {
    const { nodes, masterName, sentinelUsername, sentinelPassword } = this.#options.target;
    const { createClient } = await loadRedis();
    let failure: unknown;
    for (const node of nodes) {
      const client = createClient({
        ...this.#clientOptions(),
        ...account(sentinelUsername, sentinelPassword),
        socket: { ...this.#socketOptions(), ...node },
      });
      client.on('error', () => undefined);
      try {
        // Connecting too: its handshake waits for answers, and a sentinel that hangs gives none.
        const asked = client
          .connect()
          .then(() => client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName as string]));
        const answer = await within(this.#options.timeoutMs, asked);
        if (!Array.isArray(answer)) throw new Error(`the sentinel knows no master ${masterName}`);
        return { host: String(answer[0]), port: Number(answer[1]) };
      } catch (error) {
        failure = error;
      } finally {
        client.destroy();
      }
    }
    throw failure;
  }

  /** Connected, handshake and all, within the time that a command has; or let go. */
  async #orDestroyed(client: { destroy(): unknown }, connecting: Promise<unknown>): Promise<void> {
    try {
      await within(this.#options.timeoutMs, connecting);
    } catch (error) {
      connecting.catch(() => undefined);
      client.destroy();
      throw error;
    }
  }

  #clientOptions(): ClientOptions {
    return {
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      commandOptions: NO_TIMEOUT_OF_ITS_OWN,
    };
  }

  #socketOptions(): SocketOptions {
    const { target, ca, timeoutMs } = this.#options;
    const common = { connectTimeout: timeoutMs, reconnectStrategy: false as const };
    if (!target.tls) return common;
    // The nodes of a cluster may be named by address; their certificate names what was asked for first.
    const [first] = target.nodes as [RedisNode];
    const servername = target.kind === 'cluster' && isIP(first.host) === 0 ? { servername: first.host } : {};
    return { ...common, ...servername, tls: true, ...(ca !== undefined && { ca }) };
  }
}

interface ClientOptions {
  readonly RESP: 2;
  readonly disableOfflineQueue: true;
  readonly disableClientInfo: true;
  readonly maintNotifications: 'disabled';
  readonly commandOptions: { readonly timeout: number };
}

type SocketOptions = {
  connectTimeout: number;
  reconnectStrategy: false;
} & ({ tls?: false } | { tls: true; ca?: string; servername?: string });

/** The client's own timer costs an AbortSignal per command and ends when the command was written. */
const NO_TIMEOUT_OF_ITS_OWN = { timeout: 0 };

/** Only where sessions are kept in it: it is half of what a relay would load otherwise. */
const loadRedis = (): Promise<typeof import('redis')> => import('redis');

/** Node's error for a name with several addresses that all refuse has no message. */
function causeOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code);
}

function account(username: string | undefined, password: string | undefined): { username?: string; password?: string } {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreUnavailableError(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
