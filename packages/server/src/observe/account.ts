// The account of one request: at its end a log line, additions to the metrics and, if traces are on, its spans. It is
// on the hot path, so it makes no object, lookup or text that a disabled level would not log.
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type InnerCode, OUTER_STATUS, type OuterCode } from '@mte-relay/protocol';
import type { Attributes } from '@opentelemetry/api';
import { REQUEST_ID_FIELD, requestIdOf } from '../http/request-id.ts';
import { type Logger, shortSession } from './log.ts';
import { type Metrics, type Outcome, outcomeOf, type Route } from './metrics.ts';
import type { ExchangeTrace, Tracing, UpstreamCall } from './trace.ts';

/** The log, metrics and traces that an account reports to. */
export interface Observers {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Undefined if the relay makes no spans. */
  readonly tracing: Tracing | undefined;
}

/** Characters of a client's name in the log: enough to tell clients apart, and no help in finding the client id. */
const CLIENT_NAME_CHARACTERS = 12;

/** The name of a client in the log: a hash, because the id itself opens the client's cookie records. */
function nameOfClient(clientId: string): string {
  return hash('sha256', clientId, 'base64url').slice(0, CLIENT_NAME_CHARACTERS);
}

/** The account of one request, on any route. */
export class Account {
  readonly requestId: string;
  /** True if steps are logged; check it before composing one. */
  readonly traces: boolean;
  route: Route;
  sid: Uint8Array | undefined;
  clientId = '';
  /** Status of the response, the inner one of a sealed request; 0 before there is a response. */
  status = 0;
  /** True if the response was sent as a stream. */
  streamed = false;
  decodeMs = 0;
  encodeMs = 0;
  /** Time spent waiting for a session store outside this process. */
  storeMs = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #isSealed: boolean;
  readonly #startedMs = performance.now();
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #trace: ExchangeTrace | undefined;
  #dispatchedMs = 0;
  #upstreamMs = 0;
  #code: OuterCode | InnerCode | undefined;
  #refused = false;
  #connection: OwnConnection | undefined;

  /**
   * @param requestId the request id in log, upstream and client; see `http/request-id.ts`.
   * @param isSealed false if the request has no inner response.
   */
  constructor({ log, metrics, tracing }: Observers, requestId: string, route: Route, isSealed: boolean) {
    this.#log = log;
    this.#metrics = metrics;
    this.#trace = tracing?.begin(this.#startedMs, route);
    this.route = route;
    this.#isSealed = isSealed;
    this.traces = log.isLevelEnabled('trace');
    this.requestId = requestId;
  }

  /** The relay sends the request to the upstream; its headers get the trace. */
  dispatched(call: UpstreamCall): void {
    this.#dispatchedMs = performance.now();
    this.#trace?.calling(call);
  }

  /** The relay resends the request after the first try failed. */
  dispatchedAgain(call: UpstreamCall): void {
    this.#trace?.calling(call);
  }

  /** The upstream's response has begun, with this status. */
  upstreamResponded(status: number): void {
    this.status = status;
    this.#upstreamMs = performance.now() - this.#dispatchedMs;
    this.#metrics.upstream.observeMs(this.#upstreamMs);
  }

  /** The upstream's response is complete. */
  upstreamEnded(): void {
    this.#trace?.called(this.status);
  }

  /** The upstream failed before its response was complete. */
  upstreamFailed(code: InnerCode | OuterCode): void {
    this.#code = code;
    this.#trace?.called(0, code);
  }

  /** The relay refuses the request on the outer hop. */
  refusedOuter(code: OuterCode): void {
    this.#refused = true;
    this.failedOuter(code);
  }

  /** The request failed on the outer hop; unless a response has begun, the client gets the code's status. */
  failedOuter(code: OuterCode): void {
    if (!this.#isSealed && this.status === 0) this.status = OUTER_STATUS[code];
    this.#code = code;
    countOuter(this.#metrics, code);
  }

  /** The relay seals a response that is not the upstream's. @param code undefined for a hook's response. */
  respondedInner(status: number, code: InnerCode | undefined): void {
    this.status = status;
    this.#code = code;
    if (code) this.#metrics.innerFailures[code].value += 1;
  }

  /** A sealed response, or an open WebSocket, is cut off: its status stays what the client has seen. */
  cutOff(code: InnerCode): void {
    this.respondedInner(this.status, code);
  }

  /** From now on the connection carries this request alone; its bytes count as the request's. */
  ownConnection(socket: Socket): void {
    this.#connection = { socket, readBefore: socket.bytesRead, writtenBefore: socket.bytesWritten };
  }

  /** Logs one step; check {@link Account.traces} first. Facts are sizes and counts, never content. */
  step(name: string, facts: Readonly<Record<string, number | boolean | string>> = {}): void {
    this.#log.trace({ ...this.names(), ...facts }, name);
  }

  /** The ids that every log line of this request has. */
  names(): Names {
    const { requestId, sid, clientId } = this;
    return {
      request: requestId,
      ...(sid && { session: shortSession(sid) }),
      ...(clientId !== '' && { client: nameOfClient(clientId) }),
    };
  }

  /** The response of an HTTP request has closed. */
  endWith(res: ServerResponse): void {
    // Another status than 200 was set for a request that was cut off without a ServerResponse's head.
    this.end(res.headersSent || res.statusCode !== 200 ? res.statusCode : 0, res.writableFinished);
  }

  /**
   * The request is over.
   * @param outer status of the outer response, or close code of the outer WebSocket; 0 without either.
   * @param complete true if the client got a complete response, or the WebSocket closed cleanly.
   */
  end(outer: number, complete: boolean): void {
    this.#takeConnectionBytes();
    const totalMs = performance.now() - this.#startedMs;
    this.#count(totalMs, complete);
    const { route, status } = this;
    this.#trace?.close({
      status: status || (route === 'websocket' ? 0 : outer),
      error: this.#code ?? (complete ? undefined : 'aborted'),
      attributes: this.#attributes(),
    });
    if (!this.#log.isLevelEnabled('info')) return;
    this.#log.info(
      {
        ...this.names(),
        route,
        trace: this.#trace?.traceId,
        status,
        outer,
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

  #count(totalMs: number, complete: boolean): void {
    const metrics = this.#metrics;
    const { route } = this;
    if (this.decodeMs > 0) metrics.decode.observeMs(this.decodeMs);
    if (this.encodeMs > 0) metrics.encode.observeMs(this.encodeMs);
    if (route === 'pairing') return this.#countPairing(totalMs);
    metrics.requests[route][this.#outcome(complete)].value += 1;
    metrics.bytesIn[route].value += this.bytesIn;
    metrics.bytesOut[route].value += this.bytesOut;
    if (this.status === 0) return;
    if (route === 'pass_through') metrics.passThroughTime.observeMs(totalMs);
    else if (route === 'exchange') (this.streamed ? metrics.exchangeStream : metrics.exchangeWhole).observeMs(totalMs);
  }

  #countPairing(totalMs: number): void {
    const { pairings, pairingTime } = this.#metrics;
    if (this.status === 200) {
      pairings.paired.value += 1;
      pairingTime.observeMs(totalMs);
    } else pairings[!this.#refused && isRelaysFault(this.#code) ? 'failed' : 'refused'].value += 1;
  }

  #outcome(complete: boolean): Outcome {
    if (!complete) return 'aborted';
    return this.#refused ? 'refused' : outcomeOf(this.status);
  }

  #attributes(): Attributes {
    const { decodeMs, encodeMs, requestId, route, sid, storeMs } = this;
    return {
      'mte_relay.route': route,
      'mte_relay.request_id': requestId,
      ...(sid && { 'mte_relay.session': shortSession(sid) }),
      ...(decodeMs > 0 && { 'mte_relay.decode_ms': thousandths(decodeMs) }),
      ...(encodeMs > 0 && { 'mte_relay.encode_ms': thousandths(encodeMs) }),
      ...(storeMs > 0 && { 'mte_relay.store_ms': thousandths(storeMs) }),
    };
  }

  #takeConnectionBytes(): void {
    if (!this.#connection) return;
    const { socket, readBefore, writtenBefore } = this.#connection;
    this.bytesIn = socket.bytesRead - readBefore;
    this.bytesOut = socket.bytesWritten - writtenBefore;
  }
}

/** Opens the account of an HTTP request, which ends with its response, and sets the request id on the response. */
export function openAccount(
  observers: Observers,
  { req, res }: HttpExchange,
  route: Exclude<Route, 'websocket'>,
): Account {
  const account = new Account(observers, requestIdOf(req), route, route === 'exchange');
  res.setHeader(REQUEST_ID_FIELD, account.requestId);
  res.on('close', () => account.endWith(res));
  return account;
}

/** A request of node:http, and its response. */
export interface HttpExchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** The ids of a request in the log. */
export type Names = Readonly<Record<string, string | undefined>>;

/** A connection that carries one request alone, and the bytes that had crossed it before. */
interface OwnConnection {
  readonly socket: Socket;
  readonly readBefore: number;
  readonly writtenBefore: number;
}

function isRelaysFault(code: OuterCode | InnerCode | undefined): boolean {
  return code === 'internal' || code === 'unavailable';
}

/** Counts a refusal on the outer hop. */
export function countOuter(metrics: Metrics, code: OuterCode): void {
  metrics.outerFailures[code].value += 1;
  if (code === 'replayed') metrics.replaysRefused.value += 1;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function thousandths(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
