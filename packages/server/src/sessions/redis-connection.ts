// The connection to Redis: one server, the master that sentinels name, or a cluster. It fails fast and reconnects by
// itself: no command waits for a connection, each one has a time limit, and a silent connection is replaced.
//
// Azure's managed Redis: `rediss://:<access key>@<name>.<region>.redis.azure.net:10000` under the clustering policies
// Enterprise and NonClustered, `rediss+cluster://…` under OSSCluster, whose nodes are addresses and present the
// certificate of that name. Access keys must be enabled. It hides INFO from scripts; see redis-script.ts.
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
import { within } from '../timeout.ts';
import { LIBRARY, type RedisScript } from './redis-script.ts';
import { describeTarget, type RedisNode, type RedisTarget } from './redis-url.ts';
import { StoreUnavailableError } from './store.ts';

export interface RedisConnectionOptions {
  readonly target: RedisTarget;
  /** PEM. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly log: Logger;
  /** Called on a new connection before it counts as connected; the connection is closed if it rejects. */
  onConnected(): Promise<void>;
  onLost(): void;
  /** A node of a cluster was connected or reconnected: its slots may have another master now. */
  onTopologyChange(): void;
}

/** A reply; bulk strings are Buffers. */
export type RedisReply = null | number | Buffer | readonly RedisReply[];

/** The common interface of the three kinds of clients. */
interface Driver {
  readonly load: Load;
  /** True for a cluster, where the replies of other nodes hide a node that hangs. */
  readonly isMany: boolean;
  send(firstKey: string, args: (string | Buffer)[]): Promise<RedisReply>;
  destroy(): void;
}

/** Commands of one driver that wait for their replies. */
class Load {
  readonly bornMs: number = performance.now();
  waiting = 0;
  /** Since when commands have waited without any reply. */
  silentSinceMs = 0;
}

/** Errors of a server that is not, or no longer, the master. */
const NOT_THE_MASTER = /READONLY|MASTERDOWN|LOADING/;

/** One connection, which is replaced as often as needed. Connects at once. */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  #driver: Driver | undefined;
  #lost: ((reason: Error) => void) | undefined;
  #renewing = false;
  #failedTries = 0;
  #causeLogged = '';

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Runs a script on the server that has its key. Rejects with StoreUnavailableError. */
  async run(script: RedisScript, key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    try {
      return await this.send(key, ['EVALSHA', script.sha1, '1', key, ...args]);
    } catch (error) {
      // A server that does not know the script has not run it: after a restart, a failover, SCRIPT FLUSH.
      if (!/NOSCRIPT/.test((error as Error).message)) throw error;
      return await this.send(key, ['EVAL', script.text, '1', key, ...args]);
    }
  }

  /** Runs the same as a function of the library. Rejects with StoreUnavailableError. */
  async call(script: RedisScript, key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    const command = ['FCALL', script.functionName, '1', key, ...args];
    try {
      return await this.send(key, command);
    } catch (error) {
      // A server that does not know the function has not run it: a new node of a cluster, FUNCTION FLUSH.
      if (!/Function not found/i.test((error as Error).message)) throw error;
    }
    try {
      await this.send(key, ['FUNCTION', 'LOAD', LIBRARY]);
    } catch (error) {
      if (!/already exists/i.test((error as Error).message)) throw error; // loaded meanwhile by another relay
    }
    return await this.send(key, command);
  }

  /** Sends a command that uses one key. Commands of one tick are sent in one write. */
  send(key: string, args: (string | Buffer)[]): Promise<RedisReply> {
    const driver = this.#driver;
    if (!driver) return Promise.reject(new StoreUnavailableError('Redis is not connected'));
    const { load } = driver;
    if (load.waiting >= COMMANDS_WAITING_MAX) return Promise.reject(new StoreUnavailableError('Redis is overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<RedisReply>();
    const timeout = setTimeout(() => {
      reject(new StoreUnavailableError(`Redis timed out after ${this.#options.timeoutMs} ms`));
      this.#suspect(driver);
    }, this.#options.timeoutMs);
    const settle = (): void => {
      clearTimeout(timeout);
      load.waiting -= 1;
      load.silentSinceMs = performance.now();
    };
    if (load.waiting === 0) load.silentSinceMs = performance.now();
    load.waiting += 1;
    driver.send(key, args).then(
      (reply) => {
        settle();
        resolve(reply);
      },
      (error: Error) => {
        settle();
        reject(new StoreUnavailableError(error.message, { cause: error }));
        // In a cluster the other nodes still serve while one is loading; a demoted node redirects to its master.
        if (!driver.isMany && NOT_THE_MASTER.test(error.message)) this.#lose(driver, error);
      },
    );
    return promise;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#lose(this.#driver, new Error('closed'));
    await this.#running;
  }

  /** True for good once {@link RedisConnection.close} was called. */
  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Replaces the connection of a silent server; looks at a cluster anew after any command that timed out. */
  #suspect(driver: Driver): void {
    const nowMs = performance.now();
    const patienceMs = SILENT_TIMEOUTS * this.#options.timeoutMs;
    const { bornMs, silentSinceMs } = driver.load;
    const silentMs = driver.isMany ? Math.max(patienceMs, CLUSTER_SILENT_MS) : patienceMs;
    if (nowMs - silentSinceMs >= silentMs) this.#lose(driver, new Error('Redis is silent'));
    else if (driver.isMany && nowMs - bornMs >= 2 * patienceMs) void this.#renew(driver);
  }

  /**
   * Connects to the cluster anew, because one of its nodes hangs and may have been replaced. Meanwhile the nodes that
   * respond are still used, and their pending commands get their replies.
   */
  async #renew(old: Driver): Promise<void> {
    if (this.#renewing || old !== this.#driver) return;
    this.#renewing = true;
    try {
      const renewed = await this.#connectCluster();
      if (old !== this.#driver) return renewed.destroy(); // lost or closed since
      this.#driver = renewed;
      this.#options.log.info(
        { redis: describeTarget(this.#options.target) },
        'Redis was reconnected: a node does not respond',
      );
      setTimeout(() => old.destroy(), this.#options.timeoutMs).unref(); // by then every command has settled
    } catch {
      // The nodes that respond are still used; the next command that times out retries.
    } finally {
      this.#renewing = false;
    }
  }

  #lose(driver: Driver | undefined, reason: Error): void {
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
        this.#causeLogged = '';
        const reason = await lost;
        if (!this.closed) log.error({ redis: describeTarget(target), cause: causeOf(reason) }, 'Redis was lost');
      } catch (error) {
        this.#logUnreachable(causeOf(error));
      }
      if (this.#driver) this.#options.onLost();
      (this.#driver ?? driver)?.destroy();
      this.#driver = undefined;
      await this.#pause();
    }
  }

  /** Once per cause, not per try: the cause may change while Redis is unreachable. */
  #logUnreachable(cause: string): void {
    if (this.closed || cause === this.#causeLogged) return;
    this.#causeLogged = cause;
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
    let asking = false; // sentinels that hang may take longer than the interval
    const watch = setInterval(async () => {
      if (asking) return;
      asking = true;
      try {
        const { host, port } = await this.#askSentinels();
        if (host !== master.host || port !== master.port) onLost(new Error('the sentinels name another master'));
      } catch {
        // No sentinel responds: the master may still be reachable.
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
    client.on('end', () => onLost(new Error('the connection closed')));
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
      // Otherwise one unreachable node delays every reconnection to the cluster.
      minimizeConnections: true,
      maxCommandRedirections: CLUSTER_REDIRECTIONS_MAX,
      topologyRefreshOnReconnectionAttemptStrategy: timeoutMs,
      commandOptions: NO_TIMEOUT_OF_ITS_OWN,
    });
    cluster.on('error', () => undefined); // the commands report what matters of it
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
        // Including the connection: its handshake waits for replies, which a sentinel that hangs never sends.
        const asked = client
          .connect()
          .then(() => client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName as string]));
        const reply = await this.#inTime(asked);
        if (!Array.isArray(reply)) throw new Error(`the sentinel does not know the master ${masterName}`);
        return { host: String(reply[0]), port: Number(reply[1]) };
      } catch (error) {
        failure = error;
      } finally {
        client.destroy();
      }
    }
    throw failure;
  }

  /** Waits for a connection and its handshake as long as for a command, then destroys the client. */
  async #orDestroyed(client: { destroy(): unknown }, connecting: Promise<unknown>): Promise<void> {
    try {
      await this.#inTime(connecting);
    } catch (error) {
      connecting.catch(() => undefined);
      client.destroy();
      throw error;
    }
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    const timedOut = (): Error => new StoreUnavailableError(`no reply within ${timeoutMs} ms`);
    return within({ timeoutMs, holdsProcess: true, timedOut }, work);
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
    // The nodes of a cluster may be addresses; their certificate names the host of REDIS_URL.
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

/** The client's own timer costs an AbortSignal per command, and stops when the command has been written. */
const NO_TIMEOUT_OF_ITS_OWN = { timeout: 0 };

/** Loaded only if REDIS_URL is set: the package is half of everything that a relay loads. */
const loadRedis = (): Promise<typeof import('redis')> => import('redis');

/** Node's error has no message if a name has several addresses and all of them refuse. */
function causeOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code);
}

function account(username: string | undefined, password: string | undefined): { username?: string; password?: string } {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}
