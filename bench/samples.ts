// From the rounds' raw numbers to medians, ranges and ratios.
import type { LoadResult } from './load/load.ts';
import type { SubjectName } from './load/subjects.ts';

/** One subject measured once. */
export interface Sample {
  readonly subject: SubjectName;
  readonly round: number;
  readonly load: LoadResult;
  readonly subjectCpuSeconds: number;
  readonly upstreamCpuSeconds: number;
  /** CPU that anything used on the subject's core, the subject included. */
  readonly subjectCoreBusySeconds: number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A subject over all rounds. */
export interface Summary {
  readonly subject: SubjectName;
  readonly requests: number;
  readonly failureCount: number;
  readonly failures: readonly string[];
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly cpuSecondsPer1000Requests: Spread;
  /** Share of its core that the subject used, 0 to 1. */
  readonly subjectUtilisation: Spread;
  /** Share of the load core that generator and upstream used together. */
  readonly loadUtilisation: Spread;
  /** Share of the subject's core that went to work that is not the bench's. */
  readonly foreignUtilisation: Spread;
  /** False: the subject used less than 0.9 of its core, so its throughput is not its own limit. */
  readonly saturated: boolean;
  readonly versus: Readonly<Record<Yardstick, Ratios | null>>;
}

/** How many times the yardstick's figure; medians of the rounds' own ratios, so that a drifting machine cancels out. */
interface Ratios {
  readonly throughput: Spread;
  readonly requestsPerCpuSecond: Spread;
}

export const YARDSTICKS = ['nginx', 'fastify'] as const;
export type Yardstick = (typeof YARDSTICKS)[number];

const SATURATED_UTILISATION = 0.9;
const NO_RATIOS = { nginx: null, fastify: null };

export function summarise(subjects: readonly SubjectName[], samples: readonly Sample[]): Summary[] {
  return subjects.map((subject) => {
    const own = samples.filter((sample) => sample.subject === subject);
    const spread = (value: (sample: Sample) => number): Spread => spreadOf(own.map(value));
    const subjectUtilisation = spread((sample) => sample.subjectCpuSeconds / sample.load.durationSeconds);
    return {
      subject,
      requests: sum(own, ({ load }) => load.requests),
      failureCount: sum(own, ({ load }) => load.failureCount),
      failures: own.flatMap(({ load }) => load.failures),
      requestsPerSecond: spread(throughput),
      p50Ms: spread(({ load }) => load.p50Ms),
      p99Ms: spread(({ load }) => load.p99Ms),
      cpuSecondsPer1000Requests: spread((sample) => 1000 / requestsPerCpuSecond(sample)),
      subjectUtilisation,
      loadUtilisation: spread((sample) => loadCpuSeconds(sample) / sample.load.durationSeconds),
      foreignUtilisation: spread((sample) => foreignCpuSeconds(sample) / sample.load.durationSeconds),
      saturated: subjectUtilisation.median >= SATURATED_UTILISATION,
      // The upstream alone forwards nothing: against a proxy its ratio says nothing.
      versus:
        subject === 'direct'
          ? NO_RATIOS
          : { nginx: ratios(own, 'nginx', samples), fastify: ratios(own, 'fastify', samples) },
    };
  });
}

function ratios(own: readonly Sample[], yardstick: Yardstick, samples: readonly Sample[]): Ratios | null {
  const pairs: [Sample, Sample][] = [];
  for (const sample of own) {
    const other = samples.find(({ subject, round }) => subject === yardstick && round === sample.round);
    if (other) pairs.push([sample, other]);
  }
  if (pairs.length === 0) return null;
  return {
    throughput: spreadOf(pairs.map(([sample, other]) => throughput(sample) / throughput(other))),
    requestsPerCpuSecond: spreadOf(
      pairs.map(([sample, other]) => requestsPerCpuSecond(sample) / requestsPerCpuSecond(other)),
    ),
  };
}

function throughput({ load }: Sample): number {
  return load.requests / load.durationSeconds;
}

function requestsPerCpuSecond({ load, subjectCpuSeconds }: Sample): number {
  return load.requests / subjectCpuSeconds;
}

/** In `direct` nothing of the bench runs on the subject's core. */
function foreignCpuSeconds({ subject, subjectCoreBusySeconds, subjectCpuSeconds }: Sample): number {
  return Math.max(0, subjectCoreBusySeconds - (subject === 'direct' ? 0 : subjectCpuSeconds));
}

/** The upstream is itself the subject of `direct`; it sits on the load core there too. */
function loadCpuSeconds({ load, upstreamCpuSeconds }: Sample): number {
  return load.loadCpuSeconds + upstreamCpuSeconds;
}

function sum(samples: readonly Sample[], value: (sample: Sample) => number): number {
  return samples.reduce((total, sample) => total + value(sample), 0);
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN;
  return { median: (lower + upper) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}
