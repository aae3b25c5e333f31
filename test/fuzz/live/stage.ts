// The stage of the live campaigns: an upstream that counts what runs, a relay as a process of its own in front of it, and
// what must hold throughout. Every request has a key, and a key may run as often as it was allowed to.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Bytes } from '@mte-relay/protocol';
import { send } from '@mte-relay/testing/sealed-client';
import { closeServer, listen, serverOf, urlOf } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { WebSocketServer } from 'ws';

const COMMAND = join(import.meta.dirname, '../../../packages/server/bin/mte-relay-server.js');
const LISTENS_WITHIN_MS = 30_000;
const STOPS_WITHIN_MS = 10_000;
/** In every path, so that it shows if the log has one. */
const MARK = 'marked-path';
const RSS_MAX_BYTES = 1_073_741_824;

const SETTINGS = {
  PORT: '0',
  ADMIN_PORT: '0',
  LOG_LEVEL: 'info',
  PASS_THROUGH_ROUTES: '/open/*',
  TRUSTED_PROXIES: '127.0.0.1',
  PAIRINGS_PER_MINUTE: '1000000',
  PAIRINGS_BURST: '1000000',
  // The corpus is made once.
  MESSAGE_AGE_MAX_MS: '3600000',
  REQUEST_BODY_MAX_BYTES: '1048576',
  CLIENT_HEAD_TIMEOUT_MS: '2000',
  CLIENT_IDLE_TIMEOUT_MS: '2000',
  // The upstream is in this process, which may have to wait for a core.
  UPSTREAM_HEADERS_TIMEOUT_MS: '10000',
  UPSTREAM_IDLE_TIMEOUT_MS: '10000',
  WEBSOCKET_IDLE_TIMEOUT_MS: '2000',
  SHUTDOWN_TIMEOUT_MS: '2000',
};

/** A property that did not hold, and the input of that moment. */
export interface LiveFailure {
  readonly target: string;
  readonly message: string;
  readonly input: Bytes;
}

/** The relay, its upstream, and what has failed. */
export class LiveStage {
  readonly failures: LiveFailure[] = [];
  /** Raw responses of the upstream by key; it sends them to the request of that key. */
  readonly rawResponses: Map<string, Uint8Array> = new Map();
  /** Number of unsealed requests that ran on the pass-through route. */
  unsealed = 0;
  /** True if the relay has ended by itself. */
  hasEnded = false;
  port = 0;
  adminPort = 0;
  readonly #allowed = new Map<string, number>();
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true });
  #relay: ChildProcessWithoutNullStreams | undefined;
  #stopping = false;

  constructor() {
    this.#server = serverOf((req, res) => this.#respond(req, res));
    // A connection that it closed for being idle could make the relay resend.
    this.#server.keepAliveTimeout = 0;
    this.#server.maxHeadersCount = 0;
    this.#server.on('upgrade', (req, socket, head) => {
      this.#ran(req);
      this.#webSockets.handleUpgrade(req, socket, head, (webSocket) => {
        webSocket.on('error', () => undefined);
        webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
      });
    });
    this.#server.on('connect', (req, socket) => {
      this.#ran(req);
      socket.destroy();
    });
    this.#server.on('checkContinue', (req, res) => this.#respond(req, res));
  }

  async start(): Promise<void> {
    const upstreamPort = await listen(this.#server);
    const environment = { ...requiredSettings(urlOf(upstreamPort)), ...SETTINGS };
    const relay = spawn(process.execPath, [COMMAND, 'start'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production', ...environment },
    });
    this.#relay = relay;
    relay.on('exit', (code, signal) => {
      if (this.#stopping) return;
      this.hasEnded = true;
      this.fail('relay', `the relay has ended: ${code ?? signal}`);
    });
    createInterface(relay.stderr).on('line', (line) => this.fail('relay', `standard error: ${line}`));
    const listening = Promise.withResolvers<void>();
    createInterface(relay.stdout).on('line', (line) => this.#readLine(line, listening.resolve));
    const timer = setTimeout(() => listening.reject(new Error('the relay does not listen')), LISTENS_WITHIN_MS);
    await listening.promise;
    clearTimeout(timer);
  }

  /** Lets a request with this key run. */
  allow(key: string, times = 1): void {
    this.#allowed.set(key, (this.#allowed.get(key) ?? 0) + times);
  }

  /** True if a request with this key has run, or may still run. */
  isLeft(key: string): boolean {
    return (this.#allowed.get(key) ?? 0) > 0;
  }

  /** Forbids what has not run: from now on it is a failure. */
  forbid(key: string): void {
    this.#allowed.delete(key);
  }

  fail(target: string, message: string, input: Uint8Array = new Uint8Array(0)): void {
    if (this.failures.length < 20) this.failures.push({ target, message, input: new Uint8Array(input) });
  }

  /** The relay still responds, on the port of the operator. */
  async checkHealth(): Promise<void> {
    const { status } = await send(this.adminPort, '/livez', { method: 'GET' }).catch((error) => ({
      status: `${error}`,
    }));
    if (status !== 200) this.fail('relay', `/livez: ${status}`);
  }

  /** Behind the last request: nothing is in progress, and the relay has not grown without bound. */
  async checkRest(): Promise<void> {
    await this.checkHealth();
    for (let attempt = 0; ; attempt += 1) {
      const text = Buffer.from((await send(this.adminPort, '/metrics', { method: 'GET' })).body).toString();
      const busy = /^mte_relay_(?:exchanges|pass_throughs|websockets)_in_progress(?:\{[^}]*\})? [1-9].*$/m.exec(
        text,
      )?.[0];
      const rss = Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1] ?? 0);
      if (rss > RSS_MAX_BYTES) this.fail('relay', `the relay has ${rss} bytes in memory`);
      if (busy === undefined) return;
      if (attempt >= 100) return this.fail('relay', `still in progress: ${busy}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const relay = this.#relay;
    if (relay && relay.exitCode === null && relay.signalCode === null) {
      const exited = new Promise((resolve) => relay.once('exit', resolve));
      relay.kill('SIGTERM');
      const timer = setTimeout(() => relay.kill('SIGKILL'), STOPS_WITHIN_MS);
      await exited;
      clearTimeout(timer);
    }
    this.#webSockets.close();
    closeServer(this.#server);
  }

  #readLine(line: string, listens: () => void): void {
    if (line.includes('"relay is listening"')) {
      const { port, adminPort } = JSON.parse(line) as { port: number; adminPort: number };
      Object.assign(this, { port, adminPort });
      listens();
    }
    if (!line.startsWith('{') || !line.endsWith('}')) this.fail('relay', `not a log line: ${line.slice(0, 500)}`);
    if (/"level":"(?:error|panic)"|"code":"internal"/.test(line)) this.fail('relay', `log: ${line.slice(0, 2000)}`);
    if (line.includes(MARK)) this.fail('relay', `a path in the log: ${line.slice(0, 500)}`);
  }

  /** Notes that a request runs. @returns its key */
  #ran(req: IncomingMessage): string {
    const key = keyOf(req.method ?? '', req.url ?? '');
    if (req.url?.startsWith('/open/')) {
      this.unsealed += 1;
      return key;
    }
    const left = this.#allowed.get(key) ?? 0;
    if (left <= 0)
      this.fail('upstream', `ran, and was not sealed or ran before: ${key.slice(0, 300)}`, Buffer.from(key));
    if (left > 1) this.#allowed.set(key, left - 1);
    else this.#allowed.delete(key);
    return key;
  }

  async #respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const key = this.#ran(req);
    const raw = this.rawResponses.get(key);
    if (raw) {
      this.rawResponses.delete(key);
      for await (const _ of req);
      req.socket.end(raw);
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    res.setHeader('x-key', Buffer.from(key, 'latin1').toString('hex').slice(0, 200));
    res.setHeader('content-length', body.length);
    res.end(body);
  }
}

/** What tells requests apart. */
export function keyOf(method: string, target: string): string {
  return `${method} ${target}`;
}

/** The path of a request of its own. */
export function ownPath(id: number | string): string {
  return `/${MARK}/${id}`;
}
