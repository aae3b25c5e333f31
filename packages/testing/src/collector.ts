// A collector of traces: takes OTLP over HTTP and decodes it by the protocol's own messages, apart from the exporter's code.
import protobuf from 'protobufjs';
import { contentOf } from './content.ts';
import { serve } from './servers.ts';
import { endsWithTest } from './test-end.ts';

// The fields of opentelemetry/proto/{collector/trace,trace,resource,common}/v1 that are looked at, by their numbers there.
const MESSAGES = `
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Scope { string name = 1; string version = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
`;
const REQUEST = protobuf.parse(MESSAGES).root.lookupType('Request');
const KINDS = ['unspecified', 'internal', 'server', 'client'] as const;

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly failed: boolean;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

export interface Collector {
  readonly url: string;
  readonly spans: CollectedSpan[];
  /** Everything that was sent, as it came. */
  readonly bodies: Buffer[];
  readonly headers: Record<string, unknown>[];
}

/** Listens until the test has ended. */
export async function startCollector(): Promise<Collector> {
  const collected: Omit<Collector, 'url'> = { spans: [], bodies: [], headers: [] };
  const { url } = endsWithTest(
    await serve(async (req, res) => {
      const body = await contentOf(req);
      const right = req.url === '/v1/traces' && req.headers['content-type'] === 'application/x-protobuf';
      if (right) {
        collected.bodies.push(body);
        collected.headers.push(req.headers);
        collected.spans.push(...decoded(body));
      }
      res.writeHead(right ? 200 : 400, { 'content-type': 'application/x-protobuf' }).end();
    }),
  );
  return { url, ...collected };
}

interface RawPair {
  key: string;
  value: Record<string, string | number | boolean>;
}
interface RawSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: RawPair[];
  status?: { code?: number };
}

function decoded(body: Buffer): CollectedSpan[] {
  const { resourceSpans } = REQUEST.toObject(REQUEST.decode(body), { bytes: String, longs: String }) as {
    resourceSpans: { resource: { attributes: RawPair[] }; scopeSpans: { spans: RawSpan[] }[] }[];
  };
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId ?? ''),
        name: span.name,
        kind: KINDS[span.kind] ?? 'unspecified',
        durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        attributes: record(span.attributes ?? []),
        failed: span.status?.code === 2,
        resource: record(resource.attributes),
      })),
  );
}

function hex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}

function record(pairs: readonly RawPair[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => {
      const [[kind, held] = ['', '']] = Object.entries(value);
      return [key, kind === 'intValue' ? Number(held) : held];
    }),
  );
}
