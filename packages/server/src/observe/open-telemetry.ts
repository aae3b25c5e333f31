// Exports spans to a collector if OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise OpenTelemetry is not loaded. A program
// with a tracer provider of its own passes OpenTelemetry to createRelay({ openTelemetry }) instead.
import type { ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, Sampler, SpanExporter } from '@opentelemetry/sdk-trace';
import { ConfigError } from '../config/problems.ts';
import type { ProcessSettings } from '../config/settings.ts';
import { SPANS_PER_EXPORT_MAX, TRACES_SHUTDOWN_MS } from '../limits/fixed.ts';
import { faultOf } from './fault.ts';
import type { Logger } from './log.ts';
import { PACKAGE } from './package.ts';
import type { OpenTelemetry } from './trace.ts';

/** A running exporter of traces. */
export interface RunningOpenTelemetry {
  readonly api: OpenTelemetry;
  /** Exports the last spans and ends, within {@link TRACES_SHUTDOWN_MS}. Never rejects. */
  shutdown(): Promise<void>;
}

const TRACES_PATH = '/v1/traces';

/**
 * Registers a tracer provider and the propagator of W3C Trace Context; undefined if traces are off.
 * @throws ConfigError if the optional packages are not installed.
 */
export async function startOpenTelemetry(
  settings: ProcessSettings,
  log: Logger,
): Promise<RunningOpenTelemetry | undefined> {
  const url = tracesUrl(settings);
  const off = settings.OTEL_SDK_DISABLED === 'true' || settings.OTEL_TRACES_EXPORTER === 'none';
  if (!url || off) return undefined;
  const { api, core, exporter, resources, sdk } = await load();
  const sender = new exporter.OTLPTraceExporter({
    url,
    headers: pairsOf(settings.OTEL_EXPORTER_OTLP_HEADERS),
    timeoutMillis: settings.OTEL_EXPORTER_OTLP_TIMEOUT,
  });
  const queue = settings.OTEL_BSP_MAX_QUEUE_SIZE;
  const provider = new sdk.TracerProvider({
    sampler: samplerOf(sdk, settings),
    resource: resources.defaultResource().merge(
      resources.resourceFromAttributes({
        'service.version': PACKAGE.version,
        ...pairsOf(settings.OTEL_RESOURCE_ATTRIBUTES),
        'service.name': settings.OTEL_SERVICE_NAME,
      }),
    ),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new LoggedExporter(sender, log),
        maxQueueSize: queue,
        maxExportBatchSize: Math.min(SPANS_PER_EXPORT_MAX, queue),
        scheduledDelayMillis: settings.OTEL_BSP_SCHEDULE_DELAY,
        exportTimeoutMillis: settings.OTEL_EXPORTER_OTLP_TIMEOUT,
      }),
    ],
  });
  api.trace.setGlobalTracerProvider(provider);
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  log.info({ sampler: settings.OTEL_TRACES_SAMPLER, queue }, 'traces are exported');
  return {
    api,
    async shutdown() {
      const ended = provider.shutdown().catch((error: unknown) => {
        log.warn({ fault: faultOf(error) }, 'last traces not exported');
      });
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, TRACES_SHUTDOWN_MS).unref())]);
    },
  };
}

/** By the specification of the OTLP exporter: the general endpoint is a base URL, the traces endpoint is complete. */
function tracesUrl(settings: ProcessSettings): string | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole } = settings;
  return whole?.href ?? (base && base.href.replace(/\/$/, '') + TRACES_PATH);
}

async function load() {
  try {
    const [api, core, exporter, resources, sdk] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/core'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace'),
    ]);
    return { api, core, exporter, resources, sdk };
  } catch (error) {
    const seen = `set, but a package of OpenTelemetry does not load (${(error as NodeJS.ErrnoException).code})`;
    const expected = 'the optional dependencies of @mte-relay/server installed, or no endpoint';
    throw new ConfigError([{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', seen, expected }]);
  }
}

function samplerOf(
  sdk: typeof import('@opentelemetry/sdk-trace'),
  { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio }: ProcessSettings,
): Sampler {
  const root = {
    always_on: () => new sdk.AlwaysOnSampler(),
    always_off: () => new sdk.AlwaysOffSampler(),
    traceidratio: () => new sdk.TraceIdRatioBasedSampler(ratio),
  }[name.replace('parentbased_', '') as 'always_on' | 'always_off' | 'traceidratio']();
  return name.startsWith('parentbased_') ? new sdk.ParentBasedSampler({ root }) : root;
}

function pairsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), decoded(pair.slice(at + 1))];
    }),
  );
}

/** The text with its escapes decoded; as it is if they are not UTF-8. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An exporter that logs its first failure, and its first success after failures. */
class LoggedExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #log: Logger;
  #failing = false;

  constructor(inner: SpanExporter, log: Logger) {
    this.#inner = inner;
    this.#log = log;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#inner.export(spans, (result) => {
      const failed = result.code !== 0;
      if (failed && !this.#failing) this.#log.warn({ fault: faultOf(result.error) }, 'traces cannot be exported');
      if (!failed && this.#failing) this.#log.info('traces are exported again');
      this.#failing = failed;
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}
