// Spans of OpenTelemetry: one of kind SERVER per exchange, and below it one of kind CLIENT per call of the upstream.
// They continue the trace of the inner request, and the upstream gets the span of the call. Like the log they contain
// no path, query, header value or body (semantic conventions for HTTP, without url.path and url.query).
import type { Attributes, Context, Span, TextMapGetter, TextMapSetter, Tracer } from '@opentelemetry/api';
import { PACKAGE } from './package.ts';

/** The API package of OpenTelemetry, as `import * as openTelemetry from '@opentelemetry/api'` gives it. */
export type OpenTelemetry = typeof import('@opentelemetry/api');

/** A call of the upstream that is about to begin. */
export interface UpstreamCall {
  readonly method: string;
  /** Flat: name, value, name, value; the fields that propagate the trace are set in it. */
  readonly headers: string[];
  readonly origin: URL;
}

/** The end of an exchange. */
export interface TracedEnd {
  readonly attributes: Attributes;
  /** Status of the response, the inner one of an exchange; 0 without a response. */
  readonly status: number;
  /** The error's code; undefined without an error. */
  readonly error: string | undefined;
}

/** Makes spans with the tracer provider and the propagator that are registered. */
export class Tracing {
  readonly api: OpenTelemetry;
  readonly tracer: Tracer;

  constructor(api: OpenTelemetry) {
    this.api = api;
    this.tracer = api.trace.getTracer('mte-relay-server', PACKAGE.version);
  }

  /** @param startedMs `performance.now()` at the request's head. @param route names the span until a method does. */
  begin(startedMs: number, route: string): ExchangeTrace {
    return new ExchangeTrace(this, startedMs, route);
  }
}

/** The spans of one exchange. */
export class ExchangeTrace {
  readonly #tracing: Tracing;
  readonly #route: string;
  readonly #startedMs: number;
  /** The active context of the program that embeds the relay. */
  readonly #around: Context;
  #server: Span | undefined;
  #call: Span | undefined;
  #calls = 0;

  constructor(tracing: Tracing, startedMs: number, route: string) {
    this.#tracing = tracing;
    this.#route = route;
    this.#startedMs = startedMs;
    this.#around = tracing.api.context.active();
  }

  /** The trace id for the log; undefined before the span has begun. */
  get traceId(): string | undefined {
    return this.#server?.spanContext().traceId;
  }

  /** Begins the span of a call, in the trace of its headers, and sets that span in them. Ends the call before. */
  calling({ method, headers, origin }: UpstreamCall): void {
    const { propagation, SpanKind, trace } = this.#tracing.api;
    const { attribute, name } = methodOf(method);
    const span = this.#server ?? this.#begin(propagation.extract(this.#around, headers, FLAT), name);
    span.setAttribute('http.request.method', attribute);
    this.#endCall(0, 'resent');
    const server = trace.setSpan(this.#around, span);
    const attributes: Attributes = {
      'http.request.method': attribute,
      'server.address': origin.hostname.replace(/^\[|\]$/g, ''),
      'server.port': Number(origin.port || (origin.protocol === 'https:' ? 443 : 80)),
      ...(this.#calls > 0 && { 'http.request.resend_count': this.#calls }),
    };
    this.#calls += 1;
    this.#call = this.#tracing.tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, server);
    propagation.inject(trace.setSpan(server, this.#call), headers, FLAT);
  }

  /** The call's response is complete, or has failed. */
  called(status: number, error?: string): void {
    this.#endCall(status, error);
  }

  /** Ends every span. */
  close({ attributes, status, error }: TracedEnd): void {
    this.#endCall(status, error ?? 'aborted'); // if the response is not complete
    const span = this.#server ?? this.#begin(this.#around, this.#route);
    span.setAttributes(attributes);
    this.#end(span, status, error ?? (status >= 500 ? String(status) : undefined), status >= 500);
  }

  #begin(parent: Context, name: string): Span {
    const { SpanKind } = this.#tracing.api;
    const options = { kind: SpanKind.SERVER, startTime: this.#startedMs };
    this.#server = this.#tracing.tracer.startSpan(name, options, parent);
    return this.#server;
  }

  #endCall(status: number, error: string | undefined): void {
    if (!this.#call) return;
    const failed = error ?? (status >= 400 ? String(status) : undefined);
    this.#end(this.#call, status, failed, failed !== undefined);
    this.#call = undefined;
  }

  #end(span: Span, status: number, error: string | undefined, failed: boolean): void {
    if (status > 0) span.setAttribute('http.response.status_code', status);
    if (error !== undefined) span.setAttribute('error.type', error);
    if (failed) span.setStatus({ code: this.#tracing.api.SpanStatusCode.ERROR });
    span.end();
  }
}

const METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);

/** Spans do not contain a method that a client has invented. */
function methodOf(method: string): { attribute: string; name: string } {
  return METHODS.has(method) ? { attribute: method, name: method } : { attribute: '_OTHER', name: 'HTTP' };
}

/** Reads and writes flat fields, names in lower case. */
const FLAT: TextMapGetter<string[]> & TextMapSetter<string[]> = {
  keys: (fields) => fields.filter((_, at) => at % 2 === 0),
  get(fields, name) {
    const at = indexOf(fields, name);
    return at < 0 ? undefined : fields[at + 1];
  },
  set(fields, name, value) {
    const at = indexOf(fields, name);
    if (at < 0) fields.push(name, value);
    else fields[at + 1] = value;
  },
};

function indexOf(fields: readonly string[], name: string): number {
  const wanted = name.toLowerCase();
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === wanted) return at;
  return -1;
}
