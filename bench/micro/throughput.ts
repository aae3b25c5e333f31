// Remembers how many bytes one iteration of a bench moves, to print megabytes per second beside mitata's times.
import { bench } from 'mitata';

const bytesByName = new Map<string, number>();

/** `bench` for work that moves `bytes` per iteration. */
export function benchBytes(name: string, bytes: number, work: () => unknown): void {
  bytesByName.set(name, bytes);
  bench(name, work);
}

interface Benchmark {
  readonly alias: string;
  readonly runs: readonly { readonly stats?: { readonly p50: number } | undefined }[];
}

/** One line per bench that ran and moves bytes: 10^6 bytes per second at the median. */
export function megabytesPerSecondLines(benchmarks: readonly Benchmark[]): string[] {
  const lines: string[] = [];
  for (const { alias, runs } of benchmarks) {
    const bytes = bytesByName.get(alias);
    const nanoseconds = runs[0]?.stats?.p50;
    if (bytes && nanoseconds) lines.push(`${alias}: ${((bytes / nanoseconds) * 1000).toFixed(0)} MB/s`);
  }
  return lines;
}
