// One span per exchange and one per call of the upstream, as a collector gets them; nothing of what is sealed in them.
import { CONTENT_TYPE_PAIRING } from '@mte-relay/protocol';
import { type CollectedSpan, type Collector, startCollector } from '@mte-relay/testing/collector';
import { type RelayProcess, relayBefore, runRelayCommand } from '@mte-relay/testing/relay-process';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { requiredSettings } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import * as openTelemetry from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, onTestFinished, test } from 'vitest';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = (flags = '01'): [string, string] => ['traceparent', `00-${TRACE}-${PARENT}-${flags}`];

interface Traced extends RelayProcess {
  readonly collector: Collector;
  /** Values of traceparent that the upstream saw, in order. */
  readonly seenParents: (string | undefined)[];
  /** Ends the relay, which sends what it has, and gives all spans. */
  finish(): Promise<CollectedSpan[]>;
}

async function startTraced(environment: Record<string, string> = {}): Promise<Traced> {
  const collector = await startCollector();
  const seenParents: (string | undefined)[] = [];
  const relay = await relayBefore(
    (req, res) => {
      seenParents.push(req.headers['traceparent'] as string | undefined);
      if (req.url?.startsWith('/break')) return void req.socket.destroy();
      // A kept connection that the upstream closes in the moment of use.
      if (req.url === '/once' && seenParents.length === 2) return void req.socket.destroy();
      req.resume();
      if (req.url?.startsWith('/missing')) res.statusCode = 404;
      setTimeout(() => res.end('the-answer-itself'), 30);
    },
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '600000', // nothing is sent before the end
      PASS_THROUGH_ROUTES: '/plain/*',
      DRAIN_DELAY_MS: '0',
      ...environment,
    },
  );
  const finish = async (): Promise<CollectedSpan[]> => {
    relay.child.kill('SIGTERM');
    expect((await relay.exited).code).toBe(0);
    return collector.spans;
  };
  return { ...relay, collector, seenParents, finish };
}

const exchanges = (spans: readonly CollectedSpan[]): CollectedSpan[] =>
  spans.filter(({ attributes }) => attributes['mte_relay.route'] === 'exchange');
const callsOf = (spans: readonly CollectedSpan[], { spanId }: CollectedSpan): CollectedSpan[] =>
  spans.filter(({ parentSpanId }) => parentSpanId === spanId);

test('an exchange is a span in the trace of its inner request, and its call a span below, which the upstream receives', async () => {
  const relay = await startTraced({
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=a%20key',
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.pod.name=relay-1,deployment.environment.name=test',
  });
  const client = await SealedClient.pair(relay.port, { authority: 'the-authority.example' });
  const secrets = ['the-path', 'the-query', 'the-header', 'the-body', 'the-answer-itself', 'the-authority'];
  const inner = {
    method: 'POST',
    path: '/the-path?the-query',
    headers: [traceparent(), ['tracestate', 'vendor=1'], ['x-inner', 'the-header']] as [string, string][],
    body: 'the-body',
  };
  expect((await client.fetch(inner, { 'x-request-id': 'request-7' })).text).toBe('the-answer-itself');
  await client.fetch({});
  const spans = await relay.finish();

  const [named, own] = exchanges(spans) as [CollectedSpan, CollectedSpan];
  expect(named).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, name: 'POST', kind: 'server', failed: false });
  expect(named.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'mte_relay.request_id': 'request-7',
  });
  expect(named.attributes['mte_relay.decode_ms']).toBeGreaterThan(0);
  const [call, ...others] = callsOf(spans, named);
  expect(others).toEqual([]);
  expect(call).toMatchObject({ traceId: TRACE, name: 'POST', kind: 'client', failed: false });
  expect(call?.attributes).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'server.address': '127.0.0.1',
    'server.port': expect.any(Number),
  });
  expect(call?.durationMs).toBeGreaterThan(25);
  expect(named.durationMs).toBeGreaterThanOrEqual(call?.durationMs as number);
  expect(relay.seenParents[0]).toBe(`00-${TRACE}-${call?.spanId}-01`);

  expect(own.parentSpanId).toBe('');
  expect(own.traceId).not.toBe(TRACE);
  expect(relay.seenParents[1]).toBe(`00-${own.traceId}-${callsOf(spans, own)[0]?.spanId}-01`);

  expect(named.resource).toMatchObject({
    'service.name': 'mte-relay',
    'k8s.pod.name': 'relay-1',
    'deployment.environment.name': 'test',
  });
  expect(relay.collector.headers[0]).toMatchObject({ 'x-collector-key': 'a key' });
  const sent = Buffer.concat(relay.collector.bodies).toString('latin1');
  expect(sent).toContain('request-7');
  for (const secret of secrets) expect(sent).not.toContain(secret);
  // The log names the trace, so that one leads to the other.
  const line = relay.lines().find(({ request }) => request === 'request-7');
  expect(line?.['trace']).toBe(TRACE);
});

test('a failure is named by its code, and a call of its own kind', async () => {
  const relay = await startTraced();
  const client = await SealedClient.pair(relay.port);
  const { message } = await client.seal(plaintextOf({}));
  await client.post(message);
  await client.post(message);
  await client.fetch({ method: 'POST', path: '/break' });
  await client.fetch({ path: '/missing' });
  await client.fetch({ path: '/../x' });
  await client.fetch({ method: 'BREW' });
  await send(relay.port, '/plain/a', { headers: { traceparent: traceparent()[1] }, body: new Uint8Array(3) });
  await send(relay.port, '/api/mte-pair', {
    headers: { 'content-type': CONTENT_TYPE_PAIRING },
    body: new Uint8Array(9),
  });
  const spans = await relay.finish();

  const byError = (error: string | undefined): CollectedSpan[] =>
    spans.filter(({ kind, attributes }) => kind === 'server' && attributes['error.type'] === error);
  expect(byError('replayed')[0]).toMatchObject({ name: 'exchange', failed: false });
  expect(byError('replayed')[0]?.attributes['http.response.status_code']).toBe(409);
  expect(callsOf(spans, byError('replayed')[0] as CollectedSpan)).toEqual([]);

  const [broken] = byError('upstream-failed') as [CollectedSpan];
  expect(broken).toMatchObject({ name: 'POST', failed: true });
  expect(broken.attributes['http.response.status_code']).toBe(502);
  expect(callsOf(spans, broken)[0]).toMatchObject({ failed: true, attributes: { 'error.type': 'upstream-failed' } });

  const missing = spans.find(({ kind, attributes }) => kind === 'client' && attributes['error.type'] === '404');
  expect(missing).toMatchObject({ failed: true, attributes: { 'http.response.status_code': 404 } });
  expect(callsOf(spans, byError('path-refused')[0] as CollectedSpan)).toEqual([]);
  expect(spans.find(({ attributes }) => attributes['http.request.method'] === '_OTHER')?.name).toBe('HTTP');

  const plain = spans.find(({ attributes }) => attributes['mte_relay.route'] === 'pass_through') as CollectedSpan;
  expect(plain).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, name: 'POST', kind: 'server' });
  expect(callsOf(spans, plain)).toHaveLength(1);

  const pairings = spans.filter(({ attributes }) => attributes['mte_relay.route'] === 'pairing');
  expect(pairings.map(({ attributes }) => attributes['error.type'])).toEqual([undefined, 'version-unsupported']);
});

test('a retried call is a span of its own, and the upstream receives the id of each', async () => {
  const relay = await startTraced();
  const client = await SealedClient.pair(relay.port);
  for (const path of ['/before', '/once']) expect((await client.fetch({ path })).head.status).toBe(200);
  const spans = await relay.finish();
  const exchange = exchanges(spans).find((span) => callsOf(spans, span).length > 1) as CollectedSpan;
  const [lost, made] = callsOf(spans, exchange) as [CollectedSpan, CollectedSpan];
  expect(lost).toMatchObject({ failed: true, attributes: { 'error.type': 'resent' } });
  expect(made).toMatchObject({ failed: false, attributes: { 'http.request.resend_count': 1 } });
  const told = [lost, made].map(({ spanId }) => `00-${exchange.traceId}-${spanId}-01`);
  expect(relay.seenParents.slice(1)).toEqual(told);
  expect(exchange.failed).toBe(false);
});

test('the sampling flag of the trace holds, and the upstream receives it either way', async () => {
  const relay = await startTraced();
  const client = await SealedClient.pair(relay.port);
  await client.fetch({ headers: [traceparent('00')] });
  await client.fetch({ headers: [traceparent('01')] });
  const spans = await relay.finish();
  expect(exchanges(spans)).toHaveLength(1);
  expect(relay.seenParents[0]).toMatch(new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-00$`));
});

test('OTEL_TRACES_SAMPLER takes a share of traces', async () => {
  const relay = await startTraced({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
  const client = await SealedClient.pair(relay.port);
  await client.fetch({ headers: [traceparent('01')] });
  expect(await relay.finish()).toEqual([]);
});

test('a collector that is down slows and breaks nothing, is logged once, and the relay ends in time', async () => {
  const relay = await startTraced({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_BSP_MAX_QUEUE_SIZE: '16',
  });
  const client = await SealedClient.pair(relay.port);
  for (let round = 0; round < 10; round += 1) {
    const responses = await Promise.all(Array.from({ length: 10 }, () => client.fetch({})));
    expect(responses.map(({ head }) => head.status)).toEqual(Array(10).fill(200));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await expect
    .poll(() => relay.lines().some(({ msg }) => msg === 'traces cannot be exported'), { timeout: 5_000 })
    .toBe(true);
  const beganMs = performance.now();
  await relay.finish();
  expect(performance.now() - beganMs).toBeLessThan(6_000);
  expect(relay.lines().filter(({ msg }) => msg === 'traces cannot be exported')).toHaveLength(1);
});

// The API package is there in any case: prom-client loads it.
test('without an endpoint nothing that makes or sends traces is loaded', async () => {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      if (/@opentelemetry.(?!api)/.test(url)) console.error('loaded ' + url);
      return next(url, context);
    } });`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hook)}`;
  const off = await startTraced({ NODE_OPTIONS, OTEL_EXPORTER_OTLP_ENDPOINT: '' });
  const client = await SealedClient.pair(off.port);
  await client.fetch({ headers: [traceparent()] });
  expect(off.seenParents).toEqual([traceparent()[1]]); // as it came
  await off.finish();
  expect(off.output()).not.toContain('loaded ');
  for (const name of [{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }]) {
    const disabled = await startTraced({ NODE_OPTIONS, ...name });
    await disabled.finish();
    expect(disabled.output()).not.toContain('loaded ');
  }
  const on = await startTraced({ NODE_OPTIONS });
  await on.finish();
  expect(on.output()).toContain('loaded ');
});

test('in a program with a tracer provider of its own, spans are that provider’s', async () => {
  const exporter = new InMemorySpanExporter();
  openTelemetry.trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  openTelemetry.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  onTestFinished(() => {
    openTelemetry.trace.disable();
    openTelemetry.propagation.disable();
  });
  const staged = await stage(undefined, { openTelemetry });
  const client = await SealedClient.pair(staged.port);
  await client.fetch({ headers: [traceparent()] });
  await expect.poll(() => exporter.getFinishedSpans().length).toBe(3);
  const inTrace = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === TRACE);
  expect(inTrace.map(({ kind }) => openTelemetry.SpanKind[kind]).sort()).toEqual(['CLIENT', 'SERVER']);
});

test('wrong settings of traces are found before the relay starts', async () => {
  const { code, stderr } = await runRelayCommand(['check'], {
    ...requiredSettings('http://localhost:1'),
    OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization Bearer hunter2',
    OTEL_TRACES_SAMPLER: 'sometimes',
    OTEL_TRACES_SAMPLER_ARG: '2',
    OTEL_BSP_MAX_QUEUE_SIZE: '0',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  expect(code).toBe(78);
  for (const name of ['EXPORTER_OTLP_ENDPOINT', 'EXPORTER_OTLP_HEADERS', 'TRACES_SAMPLER', 'EXPORTER_OTLP_PROTOCOL']) {
    expect(stderr).toContain(`OTEL_${name}: `);
  }
  expect(stderr).toContain('OTEL_BSP_MAX_QUEUE_SIZE: ');
  expect(stderr).toContain('OTEL_TRACES_SAMPLER_ARG: ');
  expect(stderr).not.toContain('hunter2');
});
