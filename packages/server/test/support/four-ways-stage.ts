// A relay with its upstream and a client, and an observer of its log and metrics. The way is the caller's choice.
import { FLAG_COOKIE_RECORDS } from '@mte-relay/protocol';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { pino } from 'pino';
import { expect, onTestFinished } from 'vitest';
import type { RelayOptions } from '../../src/index.ts';
import { LogSink, relaySeries } from './admin.ts';
import type { Route } from './four-ways.ts';
import type { Asked, Seen } from './four-ways-callers.ts';
import { type Arrived, type Behaviour, upstreamOf } from './four-ways-upstream.ts';
import { withinTurns } from './turns.ts';

export interface FourWaysOptions extends Pick<RelayOptions, 'openTelemetry'> {
  readonly upstream?: Behaviour;
  readonly environment?: Record<string, string>;
  readonly basePath?: string;
  /** The client is a browser, which keeps cookie records (SPEC §9.4). */
  readonly browser?: boolean;
  readonly logLevel?: string;
}

export type LogLine = Readonly<Record<string, unknown>>;

/** The log and the metrics since the client paired. */
export interface Noted {
  readonly lines: readonly LogLine[];
  /** The lines that are a request's account. */
  readonly accounts: readonly LogLine[];
  /** Requests and WebSockets in progress. */
  readonly inProgress: number;
  /** How much each series of a family has grown by, by its labels; those that have not are left out. */
  counted(family: string): Record<string, number>;
}

export interface FourWaysStage {
  readonly port: number;
  readonly upstreamPort: number;
  /** The session as the log names it. */
  readonly session: string | undefined;
  readonly arrived: readonly Arrived[];
  request(asked?: Partial<Asked>): Promise<Seen>;
  /** Has one more request in progress, until the test ends. @returns disconnects its client. */
  hold(): Promise<() => void>;
  /** Waits, within bounds, until each request that has ended has its account. */
  noted(): Promise<Noted>;
}

/** A relay behind which one route is asked. */
export async function fourWaysStage(route: Route, options: FourWaysOptions = {}): Promise<FourWaysStage> {
  const sink = new LogSink();
  const arrived: Arrived[] = [];
  const upstream = upstreamOf(options.upstream ?? {}, arrived);
  onTestFinished(() => upstream.close());
  const staged = await stage(upstream.onRequest, {
    environment: {
      PASS_THROUGH_ROUTES: '/pub/*',
      PUBLIC_FILES: 'off', // takes long to read
      SHUTDOWN_TIMEOUT_MS: '0',
      ...options.environment,
    },
    log: pino({ level: options.logLevel ?? 'info', base: null }, sink),
    ...(options.basePath !== undefined && { basePath: options.basePath }),
    ...(options.openTelemetry && { openTelemetry: options.openTelemetry }),
  });
  staged.upstream.on('upgrade', upstream.onUpgrade);
  const { port, upstreamPort } = staged;
  const flags = options.browser ? FLAG_COOKIE_RECORDS : 0;
  const client = route.sealed ? await SealedClient.pair(port, { flags }) : undefined;
  const observer = await Observer.open(staged, sink);
  let ended = 0;
  let held = 0;
  return {
    port,
    upstreamPort,
    session: client && Buffer.from(client.keys.sid).toString('hex', 0, 4),
    arrived,
    request(given = {}) {
      ended += 1;
      return route.request(port, client, { ...ASKED, signal: endOfTest().signal, ...given });
    },
    async hold() {
      const leaving = endOfTest();
      const asked = { ...ASKED, signal: leaving.signal };
      void (route.hold?.(port, asked) ?? route.request(port, client, asked));
      held += 1;
      const isHeld = async (): Promise<boolean> =>
        (await observer.inProgress()) === held && (route.hold !== undefined || arrived.length === held);
      await expect.poll(isHeld, { interval: 3 }).toBe(true);
      return () => {
        held -= 1;
        ended += 1;
        leaving.abort();
      };
    },
    noted: () => observer.noted(ended, held),
  };
}

const ASKED: Omit<Asked, 'signal'> = { path: '/pub/x', fields: [], outer: {}, payload: 'the-payload' };

type Series = ReadonlyMap<string, number>;

/** The log and the metrics of a relay, from a time on at which nothing was in progress. */
class Observer {
  readonly #staged: Stage;
  readonly #sink: LogSink;
  #before: Series = new Map();

  private constructor(staged: Stage, sink: LogSink) {
    this.#staged = staged;
    this.#sink = sink;
  }

  static async open(staged: Stage, sink: LogSink): Promise<Observer> {
    const observer = new Observer(staged, sink);
    const isQuiet = async (): Promise<boolean> => {
      observer.#before = await relaySeries(staged);
      return inProgressIn(observer.#before) === 0;
    };
    await expect.poll(isQuiet, { interval: 3 }).toBe(true);
    sink.lines.length = 0;
    return observer;
  }

  async inProgress(): Promise<number> {
    return inProgressIn(await relaySeries(this.#staged));
  }

  /** An account comes a moment behind the response. @param accounts that are due. @param held requests in progress. */
  async noted(accounts: number, held: number): Promise<Noted> {
    let after: Series = new Map();
    await withinTurns(async () => {
      const isLogged = this.#lines().filter(isAccount).length >= accounts;
      after = await relaySeries(this.#staged); // behind the log: a request is counted when it is logged
      return isLogged && inProgressIn(after) === held;
    });
    const lines = this.#lines();
    return {
      lines,
      accounts: lines.filter(isAccount),
      inProgress: inProgressIn(after),
      counted: (family) => this.#grownIn(family, after),
    };
  }

  #lines(): LogLine[] {
    return this.#sink.lines.map((line) => JSON.parse(line) as LogLine);
  }

  #grownIn(family: string, after: Series): Record<string, number> {
    const grown = [...after]
      .filter(([name]) => name.replace(/\{.*/, '') === `mte_relay_${family}`)
      .map(([name, value]) => [labelsOf(name), value - (this.#before.get(name) ?? 0)] as const);
    return Object.fromEntries(grown.filter(([, difference]) => difference !== 0));
  }
}

function inProgressIn(series: Series): number {
  const kinds = [...series].filter(([name]) => name.startsWith('mte_relay_in_flight'));
  return kinds.reduce((sum, [, value]) => sum + value, 0);
}

function labelsOf(series: string): string {
  return /\{(.*)\}/.exec(series)?.[1] ?? '';
}

/** One at `info` that names the route of a request. */
function isAccount(line: LogLine): boolean {
  return line['level'] === 30 && line['route'] !== undefined;
}

function endOfTest(): AbortController {
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  return ending;
}
