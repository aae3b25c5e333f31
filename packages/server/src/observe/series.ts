// Counters and histograms whose series are plain objects: to add to one costs a field access. prom-client, which hashes
// the labels of every observation, reads the series when it is scraped.
import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type Registry,
} from 'prom-client';

/** One series of a counter. */
export interface Count {
  value: number;
}

/** One series of a histogram. */
export class Timing {
  readonly #boundsSeconds: readonly number[];
  /** Per bucket, not cumulative; the last is +Inf. */
  readonly counts: Float64Array;
  sumSeconds = 0;

  constructor(boundsSeconds: readonly number[]) {
    this.#boundsSeconds = boundsSeconds;
    this.counts = new Float64Array(boundsSeconds.length + 1);
  }

  /** Adds a time. Clocks give milliseconds; Prometheus gets seconds. */
  observeMs(ms: number): void {
    const seconds = ms / 1000;
    const bounds = this.#boundsSeconds;
    let at = 0;
    while (at < bounds.length && seconds > (bounds[at] as number)) at += 1;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sumSeconds += seconds;
  }
}

/** The labels of one series. */
export type Labels = Readonly<Record<string, string>>;

/** A family of metrics. */
export interface Family {
  readonly name: string;
  readonly help: string;
  /** The registry that the family is added to. */
  readonly registers: Registry;
}

/** A counter whose series are all known from the start. */
export class CounterFamily {
  readonly #series: { labels: Labels; count: Readonly<Count> }[] = [];

  constructor(family: Family, labelNames: readonly string[]) {
    const series = this.#series;
    new Counter({
      ...options(family, labelNames),
      collect() {
        this.reset();
        for (const { labels, count } of series) this.inc(labels, count.value);
      },
    });
  }

  /** A new series; call once per set of labels. */
  series(labels: Labels = {}): Count {
    const count = { value: 0 };
    this.#series.push({ labels, count });
    return count;
  }

  /** A series that is counted elsewhere, and read when it is scraped. */
  read(value: () => number): void {
    const count = {
      get value() {
        return value();
      },
    };
    this.#series.push({ labels: {}, count });
  }
}

/** A histogram whose series are all known from the start. */
export class TimingFamily extends Histogram<string> {
  readonly #series: { labels: Labels; timing: Timing }[] = [];
  readonly #family: Family;
  readonly #boundsSeconds: readonly number[];

  constructor(family: Family, labelNames: readonly string[], boundsSeconds: readonly number[]) {
    super({ ...options(family, labelNames), buckets: [...boundsSeconds] });
    this.#family = family;
    this.#boundsSeconds = boundsSeconds;
  }

  /** A new series; call once per set of labels. */
  series(labels: Labels = {}): Timing {
    const timing = new Timing(this.#boundsSeconds);
    this.#series.push({ labels, timing });
    return timing;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { name, help } = this.#family;
    const values = this.#series.flatMap(({ labels, timing }) => samples(name, labels, this.#boundsSeconds, timing));
    const collect = (): void => {};
    // prom-client's type declarations have a number here, its code a word.
    return { name, help, type: 'histogram' as never, aggregator: 'sum', values, collect };
  }

  /** Some registries call this instead of `get`. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}

/** A gauge that is read when it is scraped; a series whose value is undefined is left out. */
export function readGauge(
  family: Family,
  labelNames: readonly string[],
  read: () => readonly (readonly [Labels, number | undefined])[],
): void {
  new Gauge({
    ...options(family, labelNames),
    collect() {
      this.reset();
      for (const [labels, value] of read()) {
        if (value === undefined)
          this.remove(labels); // reset leaves a gauge without labels at 0
        else this.set(labels, value);
      }
    },
  });
}

function options({ name, help, registers }: Family, labelNames: readonly string[]) {
  return { name, help, labelNames: [...labelNames], registers: [registers] };
}

function samples(
  name: string,
  labels: Labels,
  boundsSeconds: readonly number[],
  { counts, sumSeconds }: Timing,
): MetricValueWithName<string>[] {
  let count = 0;
  const buckets = [...boundsSeconds, '+Inf'].map((le, at) => {
    count += counts[at] as number;
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
