// The line of `npm test` that reports how many conformance cases pass in each runtime.

/** The used part of a test in the runner's report. */
export interface TestResult {
  readonly status: string;
  readonly title: string;
  readonly ancestorTitles: readonly string[];
}

/** Undefined when no runtime ran any. */
export function conformanceLine(results: readonly TestResult[]): string | undefined {
  const runtimes = new Map<string, { hold: number; all: number }>();
  for (const { status, title, ancestorTitles } of results) {
    const name = /^conformance in (.+)$/.exec(ancestorTitles.at(-1) ?? '')?.[1];
    if (!name || !/^(?:vector|fetch): /.test(title)) continue;
    const count = runtimes.get(name) ?? { hold: 0, all: 0 };
    count.all += 1;
    if (status === 'passed') count.hold += 1;
    runtimes.set(name, count);
  }
  if (runtimes.size === 0) return undefined;
  const counts = [...runtimes].map(([name, { hold, all }]) => `${name} ${hold}${hold === all ? '' : ` of ${all}`}`);
  return `conformance cases: ${counts.sort().join(', ')}`;
}
