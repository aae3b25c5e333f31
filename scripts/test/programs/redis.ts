// Real redis-server processes on free ports, ended with the process that started them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { toolPath } from '../tools.ts';
import { freePort } from './free-port.ts';
import { pause } from './until.ts';

/** Where `npm test` found redis-server; tests that need it are skipped without. */
export const REDIS_SERVER: string | undefined = toolPath('redis-server');

const READY_WITHIN_MS = 10_000;

// A run that is broken off leaves no server behind.
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One server; it keeps its port and folder when it is killed and started again. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #scheme: 'redis' | 'rediss';
  readonly #mode: readonly string[];
  #child: ChildProcess | undefined;
  #said = '';

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
    const child = spawn(toolPath('redis-server') as string, [join(this.folder, 'redis.conf'), ...args, ...this.#mode], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        this.#said += bytes.toString();
      });
    }
    const deadlineMs = performance.now() + READY_WITHIN_MS;
    while (!/Ready to accept connections|Sentinel ID is/.test(this.#said)) {
      if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`redis-server: ${this.#said}`);
      await pause(20);
    }
    return this;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stops its process where it is, or lets it go on: a server that hangs. */
  freeze(frozen: boolean): void {
    this.#child?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
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

/** A replica is served without waiting for others. */
export const QUICK_REPLICATION: readonly string[] = ['--repl-diskless-sync-delay', '0'];
