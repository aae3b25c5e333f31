// The account of a request: one line in the log, the metrics, the spans.
import * as openTelemetry from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect } from 'vitest';
import type { Route, Way } from '../support/four-ways.ts';
import type { Asked } from '../support/four-ways-callers.ts';
import type { FourWaysOptions } from '../support/four-ways-stage.ts';
import {
  ask,
  IS_DOWN,
  type Outcome,
  once,
  onEveryRoute,
  onEveryWay,
  plain,
  REFUSES,
  REQUEST_ID,
  type Row,
  WITH_ID,
} from './row.ts';

const ACCOUNT_KEYS = [
  'level',
  'time',
  'request',
  'route',
  'status',
  'outer',
  'complete',
  'ms',
  'bytesIn',
  'bytesOut',
  'msg',
];
/** Times of the seal and of a store, which an account may have. */
const MORE_TIMES = ['decodeMs', 'encodeMs', 'storeMs'];

/** Heads of messages, tags, frames and a close are less. */
const FRAMING_MAX_BYTES = 1000;
const LONG = 'x'.repeat(5000);
const withLongBody = once((way: Way) => ask(way, { upstream: { afterMs: 30 } }, { payload: LONG }));

const LOG_ROWS: readonly Row[] = [
  onEveryRoute('a request is one line in the log, its account', async (route) => {
    const { noted, seen } = await plain(route);
    expect(seen).toMatchObject({ status: route.accepted, complete: true });
    const [line, ...others] = noted.lines;
    expect(others).toEqual([]);
    expect(line).toMatchObject({ level: 30, route: route.route, msg: route.route });
    expect(line).toMatchObject({ status: route.accepted, outer: route.outerOf(seen), complete: true });
    expect(line).toMatchObject({ ms: expect.any(Number), bytesIn: expect.any(Number), bytesOut: expect.any(Number) });
  }),

  onEveryWay('an account has the same keys on every way', async (way) => {
    const { noted, staged } = await plain(way);
    const [line = {}] = noted.accounts;
    const keys = Object.keys(line).filter((key) => !MORE_TIMES.includes(key));
    const names = way.sealed ? ['session', 'client'] : [];
    expect(keys.sort()).toEqual([...ACCOUNT_KEYS, 'upstreamMs', ...names].sort());
    if (way.sealed) expect(line['session']).toBe(staged.session);
  }),

  onEveryWay('an account has the times of the relay and of the upstream', async (way) => {
    const { noted } = await withLongBody(way);
    const [line] = noted.accounts as [Record<string, number>];
    expect(line['upstreamMs']).toBeGreaterThan(25);
    expect(line['ms']).toBeGreaterThanOrEqual(line['upstreamMs'] as number);
  }),

  onEveryWay('an account has the bytes of both directions, sealed as they are', async (way) => {
    const { noted } = await withLongBody(way);
    const [line] = noted.accounts as [Record<string, number>];
    for (const key of ['bytesIn', 'bytesOut']) {
      expect(line[key], key).toBeGreaterThanOrEqual(LONG.length);
      expect(line[key], key).toBeLessThan(LONG.length + FRAMING_MAX_BYTES);
    }
  }),

  onEveryWay('no line at any level has path, query, field, cookie or body', async (way) => {
    const fields = [
      ['x-said', 'the-field'],
      ['set-cookie', 'sid=the-cookie; Path=/'],
    ] as const;
    const options: FourWaysOptions = { logLevel: 'trace', upstream: { fields } };
    const { noted, seen } = await ask(way, options, { ...MARKED, outer: { cookie: 'sid=the-cookie' } });
    expect(seen.text).toBe('the-payload');
    expect(noted.lines.length).toBeGreaterThan(0);
    expect(JSON.stringify(noted.lines)).not.toMatch(MARKS);
  }),
];

/** Neither a log line nor a span may contain these. */
const MARKED: Partial<Asked> = {
  path: '/pub/the-path?the-query',
  fields: [['x-said', 'the-field']],
  payload: 'the-payload',
};
const MARKS = /the-(?:path|query|field|cookie|payload)/;

const METRICS_ROWS: readonly Row[] = [
  onEveryRoute('a request counts once by what became of it, and as no failure', async (route) => {
    const { noted } = await plain(route);
    expect(noted.counted(route.outcomes.family)).toEqual({ [route.outcomes.accepted]: 1 });
    expect(noted.counted('failures_total')).toEqual({});
    expect(noted.counted('limited_total')).toEqual({});
  }),

  onEveryWay('the upstream’s time is observed once', async (way) => {
    const { noted } = await withLongBody(way);
    expect(noted.counted('upstream_seconds_count')).toEqual({ '': 1 });
    expect(noted.counted('upstream_seconds_sum')['']).toBeGreaterThan(0.025);
  }),

  onEveryWay('the bytes of the account are counted', async (way) => {
    const { noted } = await withLongBody(way);
    const [{ bytesIn, bytesOut } = {}] = noted.accounts;
    expect(noted.counted('bytes_total')).toStrictEqual({
      [`route="${way.route}",direction="in"`]: bytesIn,
      [`route="${way.route}",direction="out"`]: bytesOut,
    });
  }),
];

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const IN_TRACE: Asked['fields'] = [['traceparent', `00-${TRACE}-${PARENT}-01`]];

interface Traced extends Outcome {
  readonly server: ReadableSpan;
  /** Calls of the upstream. */
  readonly calls: readonly ReadableSpan[];
}

const exporter = new InMemorySpanExporter();
openTelemetry.trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
);
openTelemetry.propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** One request and its spans: one of the relay's, and those of its calls. */
async function traced(route: Route, asked: Partial<Asked>, options: FourWaysOptions = {}): Promise<Traced> {
  exporter.reset();
  const outcome = await ask(route, { ...options, openTelemetry }, { ...WITH_ID, ...asked });
  const spans = exporter.getFinishedSpans();
  const [server, ...others] = spans.filter(({ attributes }) => attributes['mte_relay.request_id'] === REQUEST_ID);
  expect(others).toEqual([]);
  expect(server).toBeDefined();
  const calls = spans.filter(({ kind }) => kind === openTelemetry.SpanKind.CLIENT);
  return { ...outcome, server: server as ReadableSpan, calls };
}

const inTrace = once((way: Way) => traced(way, { ...MARKED, fields: [...IN_TRACE, ...(MARKED.fields ?? [])] }));
const outOfTrace = once((route: Route) => traced(route, {}));
const idOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().spanId;

const SPAN_ROWS: readonly Row[] = [
  onEveryRoute('a request is one span, whose trace the log names', async (route) => {
    const { noted, server } = await outOfTrace(route);
    expect(server.attributes).toMatchObject({
      'http.response.status_code': route.accepted,
      'mte_relay.request_id': REQUEST_ID,
      'mte_relay.route': route.route,
    });
    expect(server.attributes).not.toHaveProperty('error.type');
    expect(noted.accounts).toEqual([expect.objectContaining({ trace: server.spanContext().traceId })]);
  }),

  onEveryWay('a request without a trace begins one, which the upstream gets', async (way) => {
    const { calls, server, staged } = await outOfTrace(way);
    expect(server.parentSpanContext).toBeUndefined();
    const called = `00-${server.spanContext().traceId}-${idOf(calls[0])}-01`;
    expect(staged.arrived[0]?.values('traceparent')).toEqual([called]);
  }),

  onEveryWay('a span is in the trace that the request names, and the call to the upstream below it', async (way) => {
    const { calls, server, staged } = await inTrace(way);
    expect(server.spanContext().traceId).toBe(TRACE);
    expect(server.parentSpanContext?.spanId).toBe(PARENT);
    expect([server.name, server.attributes['http.request.method']]).toEqual([way.method, way.method]);
    expect(calls.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([idOf(server)]);
    expect(calls[0]?.attributes).toMatchObject({
      'http.request.method': way.method,
      'http.response.status_code': way.accepted,
      'server.address': '127.0.0.1',
      'server.port': staged.upstreamPort,
    });
  }),

  onEveryWay('the upstream gets the span of its call in traceparent', async (way) => {
    const { calls, staged } = await inTrace(way);
    expect(staged.arrived[0]?.values('traceparent')).toEqual([`00-${TRACE}-${idOf(calls[0])}-01`]);
  }),

  onEveryWay('no span has path, query, field or body', async (way) => {
    const { calls, seen, server } = await inTrace(way);
    expect(seen.text).toBe('the-payload');
    const said = [server, ...calls].map(({ attributes, events, name }) => ({ attributes, events, name }));
    expect(JSON.stringify(said)).not.toMatch(MARKS);
  }),

  onEveryWay('an upstream is down: both spans fail by the code', async (way) => {
    const { calls, server } = await traced(way, {}, IS_DOWN);
    expect(server.attributes['http.response.status_code']).toBe(502);
    const spans = [server, ...calls].map(({ attributes, status }) => [attributes['error.type'], status.code]);
    const failed = ['upstream-unreachable', openTelemetry.SpanStatusCode.ERROR];
    expect(spans).toEqual([failed, failed]);
  }),

  onEveryWay('an upstream refuses: the call fails by the status, the request does not', async (way) => {
    const { calls, server } = await traced(way, {}, { upstream: REFUSES });
    expect(server.attributes['http.response.status_code']).toBe(403);
    expect(server.status.code).toBe(openTelemetry.SpanStatusCode.UNSET);
    expect(calls.map(({ attributes }) => attributes['error.type'])).toEqual(['403']);
  }),
];

export const ACCOUNT_ROWS: readonly Row[] = [...LOG_ROWS, ...METRICS_ROWS, ...SPAN_ROWS];
