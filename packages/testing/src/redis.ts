// Real redis-server processes on free ports, ended with the test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from './free-port.ts';
import { printed, type RunningProcess, startProgram } from './processes.ts';
import { toolPath } from './tools.ts';

/** Where `npm test` found redis-server; tests that need it are skipped without. */
export const REDIS_SERVER: string | undefined = toolPath('redis-server');

/** One server; it keeps its port and folder when it is killed and started again. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #scheme: 'redis' | 'rediss';
  readonly #mode: readonly string[];
  #running: RunningProcess | undefined;

  constructor(port: number, args: readonly string[], options: { tls?: boolean; sentinelConfig?: string } = {}) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'mte-relay-redis-'));
    this.#args = args;
    this.#scheme = options.tls ? 'rediss' : 'redis';
    this.#mode = options.sentinelConfig === undefined ? [] : ['--sentinel'];
    writeFileSync(join(this.folder, 'redis.conf'), options.sentinelConfig ?? '');
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Resolves when it accepts connections. */
  async start(): Promise<this> {
    const listening = this.#scheme === 'rediss' ? [] : ['--port', String(this.port)];
    const args = ['--bind', '127.0.0.1', ...listening, '--dir', this.folder, ...this.#args];
    // Looked up now: a command provides its programs after its modules have loaded.
    this.#running = startProgram(toolPath('redis-server') as string, [
      join(this.folder, 'redis.conf'),
      ...args,
      ...this.#mode,
    ]);
    await printed(this.#running, /Ready to accept connections|Sentinel ID is/);
    return this;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#running?.stop('SIGKILL');
  }

  /** Stops its process where it is, or lets it go on: a server that hangs. */
  freeze(frozen: boolean): void {
    this.#running?.child.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One command on a connection of its own. */
  async command(...args: string[]): Promise<unknown> {
    const client = createClient({ url: this.url, RESP: 2, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }
}

/** A server without persistence, unless the arguments say so. */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  return new RedisServer(await freePort(), [...WITHOUT_PERSISTENCE, ...QUICK_REPLICATION, ...args]).start();
}

export const WITHOUT_PERSISTENCE: readonly string[] = ['--save', '', '--appendonly', 'no'];

/** Each write is on the disk before its reply. */
export const PERSISTENCE: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'];

/** A replica is served without waiting for others. */
export const QUICK_REPLICATION: readonly string[] = ['--repl-diskless-sync-delay', '0'];
