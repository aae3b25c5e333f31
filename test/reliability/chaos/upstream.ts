// The upstream of a chaos campaign: it keeps a journal of every request that it ran, and fails as upstreams do.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentOf } from '@mte-relay/testing/content';
import { nowMs } from '../clock.ts';
import type { Random } from '../random.ts';
import { CALL_PATH, DIGEST_FIELD, digestOf, responseTo } from './calls.ts';
import { CuttableServer } from './cuttable-server.ts';
import type { Trace } from './trace.ts';

/** One execution. */
export interface Run {
  readonly atMs: number;
  /** False when it ran with other content than the client's. */
  readonly intact: boolean;
}

/** What happens to a request, by weight. */
const FAILURES = {
  none: 985,
  'reset before it ran': 5,
  'reset after it ran': 5,
  'reset inside the response': 5,
} as const;
const SLOW_SHARE = 0.02;
const SLOW_MS = 250;
const USUAL_MAX_MS = 12;
const PIECE_BYTES = 16_384;

export class Upstream {
  /** Executions by the id of the call, in order. */
  readonly runs = new Map<string, Run[]>();
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #server: CuttableServer;
  failures = 0;

  constructor(random: Random, trace: Trace) {
    this.#random = random;
    this.#trace = trace;
    this.#server = new CuttableServer((req, res) => {
      void this.#respond(req, res).catch(() => res.destroy());
    });
  }

  get url(): string {
    return this.#server.url;
  }

  /** Listens: the first time on any port, later on the same. */
  async start(): Promise<this> {
    await this.#server.listen();
    return this;
  }

  /** Resets every connection. */
  reset(): void {
    this.#server.cut();
  }

  /** Resets every connection and refuses new ones. */
  stop(): Promise<void> {
    return this.#server.refuse();
  }

  close(): void {
    this.#server.close();
  }

  async #respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const failure = this.#random.weighted(FAILURES);
    const takesMs = this.#random.chance(SLOW_SHARE) ? SLOW_MS : this.#random.between(0, USUAL_MAX_MS);
    const id = (req.url as string).slice(CALL_PATH.length);
    if (failure !== 'none') {
      this.failures += 1;
      this.#trace.add(id, 'upstream', failure);
    }
    if (failure === 'reset before it ran') return void req.socket.resetAndDestroy();
    const digest = digestOf(await contentOf(req));
    const run = { atMs: nowMs(), intact: digest === req.headers[DIGEST_FIELD] };
    const before = this.runs.get(id);
    if (before) before.push(run);
    else this.runs.set(id, [run]);
    this.#trace.add(id, 'upstream', `ran ${req.method}${run.intact ? '' : ' with other content'}`);
    if (takesMs > 0) await sleep(takesMs);
    if (failure === 'reset after it ran') return void req.socket.resetAndDestroy();
    const response = Buffer.from(responseTo(id, digest));
    res.writeHead(200, { 'content-type': 'text/plain', 'content-length': response.length });
    if (failure === 'reset inside the response') {
      res.write(response.subarray(0, response.length / 2));
      await sleep(2);
      return void req.socket.resetAndDestroy();
    }
    for (let at = PIECE_BYTES; at < response.length; at += PIECE_BYTES) {
      res.write(response.subarray(at - PIECE_BYTES, at));
      await sleep(1);
    }
    res.end(response.subarray(Math.floor((response.length - 1) / PIECE_BYTES) * PIECE_BYTES));
  }
}
