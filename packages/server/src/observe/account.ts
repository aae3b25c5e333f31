// What one request took and came to: a line in the log, a few additions to the metrics and, where traces are made, its
// spans, when it is over. On the hot path, so no object, no lookup and no text that a level which is off would not show.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { InnerCode, OuterCode } from '@mte-relay/protocol';
import type { Attributes } from '@opentelemetry/api';
import { REQUEST_ID_FIELD, requestIdOf } from '../http/request-id.ts';
import { type Logger, shortSession } from './log.ts';
import { type BodyRoute, type Metrics, type Outcome, outcomeOf } from './metrics.ts';
import type { ExchangeTrace, Tracing, UpstreamCall } from './trace.ts';

/** Where what is seen of a request is told. */
export interface Observers {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Undefined where nothing is traced. */
  readonly tracing: Tracing | undefined;
}

/** The account of one exchange, cancel or pass-through request. */
export class Account {
  readonly requestId: string;
  /** True when steps are logged: ask before making one up. */
  readonly traces: boolean;
  route: BodyRoute;
  sid: Uint8Array | undefined;
  clientId = '';
  /** Of the answer: the inner one of an exchange. 0 while there is none. */
  status = 0;
  /** True when the answer went out in more than one piece. */
  streamed = false;
  decodeMs = 0;
  encodeMs = 0;
  /** Waited for a session store outside this process. */
  storeMs = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #startedMs = performance.now();
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #trace: ExchangeTrace | undefined;
  #dispatchedMs = 0;
  #upstreamMs = 0;
  #code: OuterCode | InnerCode | undefined;
  #refused = false;

  constructor({ log, metrics, tracing }: Observers, req: IncomingMessage, res: ServerResponse, route: BodyRoute) {
    this.#log = log;
    this.#metrics = metrics;
    this.#trace = tracing?.begin(this.#startedMs);
    this.route = route;
    this.traces = log.isLevelEnabled('trace');
    this.requestId = requestIdOf(req);
    res.setHeader(REQUEST_ID_FIELD, this.requestId);
  }

  /** The request is being handed to the upstream; a trace is set in its headers. */
  dispatched(call: UpstreamCall): void {
    this.#dispatchedMs = performance.now();
    this.#trace?.calling(call);
  }

  /** And once more, since the first time came to nothing. */
  dispatchedAgain(call: UpstreamCall): void {
    this.#trace?.calling(call);
  }

  /** The upstream's answer has begun. */
  upstreamAnswered(): void {
    this.#upstreamMs = performance.now() - this.#dispatchedMs;
    this.#metrics.upstream.observeMs(this.#upstreamMs);
  }

  /** The upstream's answer is here whole. */
  upstreamEnded(): void {
    this.#trace?.called(this.status);
  }

  /** The upstream gave no answer, or broke off inside it. */
  upstreamFailed(code: InnerCode | OuterCode): void {
    this.#trace?.called(0, code);
  }

  /** Refused on the outer hop. */
  refusedOuter(code: OuterCode): void {
    this.#code = code;
    this.#refused = true;
    countOuter(this.#metrics, code);
  }

  /** Answered by the relay itself, inside the seal. */
  refusedInner(code: InnerCode): void {
    this.#code = code;
    countInner(this.#metrics, code);
  }

  /** One step on the way; ask {@link Account.traces} first. Facts are sizes and counts, never content. */
  step(name: string, facts: Readonly<Record<string, number | boolean | string>> = {}): void {
    this.#log.trace({ request: this.requestId, ...this.#names(), ...facts }, name);
  }

  /** What another line about this request is found by. */
  names(): Readonly<Record<string, string | undefined>> {
    return { request: this.requestId, ...this.#names() };
  }

  /** The response has closed. */
  close(res: ServerResponse): void {
    const metrics = this.#metrics;
    const { route } = this;
    const complete = res.writableFinished;
    metrics.requests[route][this.#outcome(complete)].value += 1;
    metrics.bytesIn[route].value += this.bytesIn;
    metrics.bytesOut[route].value += this.bytesOut;
    if (this.decodeMs > 0) metrics.decode.observeMs(this.decodeMs);
    if (this.encodeMs > 0) metrics.encode.observeMs(this.encodeMs);
    const totalMs = performance.now() - this.#startedMs;
    if (this.status > 0) {
      if (route === 'pass_through') metrics.passThroughTime.observeMs(totalMs);
      else if (route === 'exchange')
        (this.streamed ? metrics.exchangeStream : metrics.exchangeWhole).observeMs(totalMs);
    }
    this.#trace?.close({
      status: this.status || (res.headersSent ? res.statusCode : 0),
      error: this.#error(complete),
      attributes: this.#attributes(),
    });
    if (!this.#log.isLevelEnabled('info')) return;
    this.#log.info(
      {
        request: this.requestId,
        ...this.#names(),
        route,
        trace: this.#trace?.traceId,
        status: this.status,
        outer: res.statusCode,
        code: this.#code,
        complete,
        ms: tenths(totalMs),
        upstreamMs: tenths(this.#upstreamMs),
        decodeMs: thousandths(this.decodeMs),
        encodeMs: thousandths(this.encodeMs),
        bytesIn: this.bytesIn,
        bytesOut: this.bytesOut,
      },
      route,
    );
  }

  #outcome(complete: boolean): Outcome {
    if (!complete) return 'aborted';
    return this.#refused ? 'refused' : outcomeOf(this.status);
  }

  #error(complete: boolean): string | undefined {
    return this.#code ?? (complete ? undefined : 'aborted');
  }

  #attributes(): Attributes {
    const { decodeMs, encodeMs, requestId, route, sid, storeMs } = this;
    return {
      'mte_relay.route': route,
      'mte_relay.request_id': requestId,
      ...(sid && { 'mte_relay.session': shortSession(sid) }),
      'mte_relay.decode_ms': thousandths(decodeMs),
      'mte_relay.encode_ms': thousandths(encodeMs),
      ...(storeMs > 0 && { 'mte_relay.store_ms': thousandths(storeMs) }),
    };
  }

  #names(): { session?: string; client?: string } {
    const { sid, clientId } = this;
    return { ...(sid && { session: shortSession(sid) }), ...(clientId !== '' && { client: clientId }) };
  }
}

/** Counts a refusal on the outer hop. */
export function countOuter(metrics: Metrics, code: OuterCode): void {
  metrics.outerFailures[code].value += 1;
  if (code === 'replayed') metrics.replaysRefused.value += 1;
}

/** Counts an answer of the relay's own inside the seal. */
export function countInner(metrics: Metrics, code: InnerCode): void {
  metrics.innerFailures[code].value += 1;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function thousandths(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
