// A real upstream and a real relay in front of it, on free ports, closed after each test.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { onTestFinished } from 'vitest';
import { createRelay, type Relay, type RelayHooks, type RelayOptions, type SessionStore } from '../../src/index.ts';

export const TEST_SECRET = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
export const TEST_ORIGIN = 'https://app.example';

export interface Stage {
  readonly relay: Relay;
  readonly port: number;
  readonly upstreamPort: number;
  readonly upstream: Server;
  /** Requests as the upstream saw them, in order. */
  readonly seen: SeenRequest[];
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly headers: IncomingMessage['headers'];
}

/** Answers with what it got, as JSON. */
const echoListener: RequestListener = (req, res) => {
  const parts: Buffer[] = [];
  req.on('data', (part: Buffer) => parts.push(part));
  req.on('end', () => {
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ method: req.method, url: req.url, body: Buffer.concat(parts).toString('latin1') }));
  });
};

export interface StageOptions extends Pick<RelayOptions, 'openTelemetry'> {
  readonly environment?: Record<string, string>;
  readonly log?: Logger;
  readonly sessions?: SessionStore;
  readonly hooks?: RelayHooks;
  /** The upstream's, before every path. */
  readonly basePath?: string;
}

export async function stage(
  listener: (req: IncomingMessage, res: ServerResponse) => void = echoListener,
  options: StageOptions = {},
): Promise<Stage> {
  const seen: SeenRequest[] = [];
  const upstream = createServer((req, res) => {
    seen.push({
      method: req.method ?? '',
      url: req.url ?? '',
      rawHeaders: req.rawHeaders,
      headers: req.headers,
    });
    listener(req, res);
  });
  const upstreamPort = await listenOn(upstream);
  onTestFinished(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const relay = createRelay({
    environment: {
      UPSTREAM: `http://127.0.0.1:${upstreamPort}${options.basePath ?? ''}`,
      CORS_ORIGINS: TEST_ORIGIN,
      CLIENT_ID_SECRET: TEST_SECRET,
      LOG_LEVEL: 'off',
      SHUTDOWN_TIMEOUT_MS: '100',
      ADMIN_PORT: 'off',
      PAIRINGS_BURST: '1000000',
      ...options.environment,
    },
    ...(options.log && { log: options.log }),
    ...(options.sessions ? { sessions: options.sessions } : {}),
    ...(options.hooks ? { hooks: options.hooks } : {}),
    ...(options.openTelemetry ? { openTelemetry: options.openTelemetry } : {}),
  });
  const port = await relay.listen(0);
  onTestFinished(() => relay.close());
  return { relay, port, upstreamPort, upstream, seen };
}

export async function listenOn(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
