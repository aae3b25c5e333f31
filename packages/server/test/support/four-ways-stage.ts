// One upstream that treats requests and handshakes alike, a relay in front of it, and what both have seen, counted and
// logged; nothing here knows on which way it is asked.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fields, FLAG_OUTER_COOKIES } from '@mte-relay/protocol';
import { pino } from 'pino';
import { expect, onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';
import type { RelayOptions } from '../../src/index.ts';
import { LogSink, relaySeries } from './admin.ts';
import type { Asked, Route, Seen } from './four-ways.ts';
import { SealedClient } from './sealed-client.ts';
import { stage } from './stage.ts';

/** How the upstream treats whatever it is asked. The default echoes, with 200 or 101. */
export interface Conduct {
  /** No response: nothing happens, or the connection is reset. */
  readonly instead?: 'silence' | 'reset';
  /** Resets the connection once the response has begun. */
  readonly resetsInside?: boolean;
  /** Status of a response that does not accept. */
  readonly refuses?: number;
  /** Of the response. */
  readonly fields?: Fields;
  /** Of a refusal. */
  readonly body?: string;
  /** How long the response takes to begin. */
  readonly afterMs?: number;
}

/** A request or a handshake as the upstream saw it. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  /** The connection that it came on has closed. */
  left: boolean;
  /** Every value of a field. */
  values(name: string): string[];
}

export interface FourWaysOptions extends Pick<RelayOptions, 'openTelemetry'> {
  readonly upstream?: Conduct;
  readonly environment?: Record<string, string>;
  readonly basePath?: string;
  /** The client is a browser: cookies ride the outer hop. */
  readonly browser?: boolean;
  readonly logLevel?: string;
}

export interface FourWaysStage {
  readonly port: number;
  readonly upstreamPort: number;
  /** Session that the log names. */
  readonly session: string | undefined;
  readonly arrived: readonly Arrived[];
  request(asked?: Partial<Asked>): Promise<Seen>;
  /** Has something under way until the test ends or the signal aborts. */
  hold(signal?: AbortSignal): Promise<void>;
  /** Every line since the client has paired, once every request has its line. */
  lines(): Promise<Record<string, unknown>[]>;
  /** The lines that are a request's account. */
  accounts(): Promise<Record<string, unknown>[]>;
  /** How much each series of a family has grown by since the client has paired, by its labels; none that has not. */
  counted(family: string): Promise<Record<string, number>>;
}

/** A relay behind which one route is asked. */
export async function fourWaysStage(route: Route, options: FourWaysOptions = {}): Promise<FourWaysStage> {
  const sink = new LogSink();
  const arrived: Arrived[] = [];
  const upstream = upstreamOf(options.upstream ?? {}, arrived);
  onTestFinished(() => upstream.close());
  const staged = await stage(upstream.onRequest, {
    environment: { PASS_THROUGH_ROUTES: '/pub/*', ...options.environment },
    log: pino({ level: options.logLevel ?? 'info', base: null }, sink),
    ...(options.basePath !== undefined && { basePath: options.basePath }),
    ...(options.openTelemetry && { openTelemetry: options.openTelemetry }),
  });
  const { port, upstreamPort } = staged;
  staged.upstream.on('upgrade', upstream.onUpgrade);
  const flags = options.browser ? FLAG_OUTER_COOKIES : 0;
  const client = route.sealed ? await SealedClient.pair(port, { flags }) : undefined;
  const underWay = async (): Promise<number> => {
    const series = [...(await relaySeries(staged))].filter(([name]) => name.startsWith('mte_relay_in_flight'));
    return series.reduce((sum, [, value]) => sum + value, 0);
  };
  await expect.poll(underWay, POLL).toBe(0);
  sink.lines.length = 0;
  const before = await relaySeries(staged);
  let asked = 0;
  const accounts = (): Record<string, unknown>[] => parsed(sink).filter(isAccount);
  /** A line comes a moment behind the response. Counted in turns, so that a line that never comes costs little. */
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < SETTLING_TURNS; turn += 1) {
      if (accounts().length >= asked && (await underWay()) === 0) return;
      await delay(TURN_MS);
    }
  };
  return {
    port,
    upstreamPort,
    session: client && Buffer.from(client.keys.sid).toString('hex', 0, 4),
    arrived,
    request(given = {}) {
      asked += 1;
      return route.request(port, client, { ...ASKED, signal: endOfTest(), ...given });
    },
    async hold(signal = endOfTest()) {
      asked += 1;
      const held = { ...ASKED, signal };
      void (route.hold?.(port, held) ?? route.request(port, client, held));
      await expect.poll(underWay, POLL).toBe(1);
      if (!route.hold) await expect.poll(() => arrived.length, POLL).toBe(1);
    },
    async lines() {
      await settled();
      return parsed(sink);
    },
    async accounts() {
      await settled();
      return accounts();
    },
    async counted(family) {
      await settled();
      const after = [...(await relaySeries(staged))].filter(([name]) => name.startsWith(`mte_relay_${family}`));
      const grown = after.map(([name, value]) => [labelsOf(name), value - (before.get(name) ?? 0)] as const);
      return Object.fromEntries(grown.filter(([, difference]) => difference !== 0));
    },
  };
}

const ASKED: Omit<Asked, 'signal'> = { path: '/pub/x', fields: [], outer: {}, payload: 'the-payload' };
const POLL = { interval: 3 };
const TURN_MS = 4;
const SETTLING_TURNS = 20;

function endOfTest(): AbortSignal {
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  return ending.signal;
}

function parsed(sink: LogSink): Record<string, unknown>[] {
  return sink.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** One at `info` that says on which route a request came. */
function isAccount(line: Record<string, unknown>): boolean {
  return line['level'] === 30 && line['route'] !== undefined;
}

function labelsOf(series: string): string {
  return /\{(.*)\}/.exec(series)?.[1] ?? '';
}

interface UpstreamListeners {
  onRequest(req: IncomingMessage, res: ServerResponse): void;
  onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends what was upgraded. */
  close(): void;
}

function upstreamOf(conduct: Conduct, arrived: Arrived[]): UpstreamListeners {
  const { afterMs = 0, body = '', fields = [], instead, refuses, resetsInside } = conduct;
  const upgraded: Duplex[] = [];
  const server = new WebSocketServer({ noServer: true });
  server.on('headers', (lines) => lines.push(...fields.map(([name, value]) => `${name}: ${value}`)));
  /** True when there is to be a response. */
  const arrives = async (req: IncomingMessage): Promise<boolean> => {
    arrived.push(arrivedAs(req));
    await delay(afterMs);
    if (instead === 'reset') req.socket.resetAndDestroy();
    return instead === undefined;
  };
  return {
    async onRequest(req, res) {
      const parts: Buffer[] = [];
      req.on('data', (part: Buffer) => parts.push(part));
      if (!(await arrives(req))) return;
      res.writeHead(refuses ?? 200, fields.flat());
      if (!resetsInside) return void res.end(refuses === undefined ? Buffer.concat(parts) : body);
      res.write('half of');
      await turns();
      req.socket.resetAndDestroy();
    },
    async onUpgrade(req, socket, head) {
      socket.on('error', () => undefined);
      upgraded.push(socket);
      if (!(await arrives(req))) return;
      if (refuses !== undefined) {
        const lines = [...fields, ['content-length', body.length]].map(([name, value]) => `${name}: ${value}\r\n`);
        return void socket.end(`HTTP/1.1 ${refuses} Refused\r\n${lines.join('')}\r\n${body}`);
      }
      server.handleUpgrade(req, socket, head, (ws) => {
        ws.on('error', () => undefined);
        ws.on('message', (data, binary) => {
          if (resetsInside) (socket as Socket).resetAndDestroy();
          else ws.send(data, { binary });
        });
      });
    },
    close() {
      for (const socket of upgraded) socket.destroy();
    },
  };
}

function arrivedAs(req: IncomingMessage): Arrived {
  const { method = '', rawHeaders, url = '' } = req;
  const arrived: Arrived = {
    method,
    url,
    left: false,
    values: (wanted) => rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted),
  };
  req.socket.once('close', () => {
    arrived.left = true;
  });
  return arrived;
}

/** Turns of the event loop, so that the other side of each hop has read what was written. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await delay(TURN_MS);
}
