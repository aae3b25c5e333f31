// The result as text for people and, in one last line, as JSON for programs.
import { type Cores, SUBJECT_TITLES } from './load/subjects.ts';
import { REQUEST_BODY, RESPONSE_BODY } from './load/workload.ts';
import type { Machine } from './machine.ts';
import type { Options } from './options.ts';
import { type Spread, type Summary, YARDSTICKS, type Yardstick } from './samples.ts';

const FOREIGN_WORK_NOTABLE = 0.02;
const LOAD_CORE_FULL = 0.9;
const COLUMNS = [
  'subject',
  'requests/s (min-max)',
  'p50 ms',
  'p99 ms',
  'CPU s/1000',
  'its core',
  'load core',
  'x nginx',
  'x fastify',
  'x nginx per CPU s',
  'x fastify per CPU s',
] as const;

export function reportText(machine: Machine, options: Options, cores: Cores, summaries: readonly Summary[]): string {
  const rows = [[...COLUMNS], ...summaries.map(row)];
  return [
    `mte-relay bench, ${new Date().toISOString()}`,
    `machine: ${machine.cores} cores of ${machine.cpu}, Linux ${machine.kernel}, node ${machine.node}, ` +
      `nginx ${machine.nginx}, wrk ${machine.wrk}; load average before ${machine.loadBefore.toFixed(2)}`,
    `workload: POST, ${REQUEST_BODY.length} bytes of JSON each way, ${options.connections} kept connections with one ` +
      `request in flight; subject on core ${cores.subject}, load and upstream on core ${cores.load}`,
    `rounds: ${options.rounds} interleaved, ${options.seconds} s per Node subject and half of that per other, ` +
      `after ${options.warmupSeconds} s of warm-up; medians`,
    '',
    ...table(rows),
    '',
    ...summaries.flatMap(remarks),
    quietness(summaries),
    verdict(summaries),
  ].join('\n');
}

function row(summary: Summary): string[] {
  const { requestsPerSecond: rate } = summary;
  return [
    SUBJECT_TITLES[summary.subject],
    `${rate.median.toFixed(0)} (${rate.min.toFixed(0)}-${rate.max.toFixed(0)})`,
    summary.p50Ms.median.toFixed(2),
    summary.p99Ms.median.toFixed(2),
    summary.cpuSecondsPer1000Requests.median.toFixed(4),
    summary.subjectUtilisation.median.toFixed(2),
    summary.loadUtilisation.median.toFixed(2),
    ratio(summary.versus.nginx?.throughput),
    ratio(summary.versus.fastify?.throughput),
    ratio(summary.versus.nginx?.requestsPerCpuSecond),
    ratio(summary.versus.fastify?.requestsPerCpuSecond),
  ];
}

function ratio(spread: Spread | undefined): string {
  return spread ? spread.median.toFixed(2) : '-';
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
}

function remarks(summary: Summary): string[] {
  const title = SUBJECT_TITLES[summary.subject];
  const lines: string[] = [];
  if (summary.subject === 'direct') {
    lines.push(`${title}: shares the load core with the generator; it is the ceiling of the load, not a subject.`);
  } else if (!summary.saturated) {
    lines.push(`${title}: not saturated: ${limitOf(summary)}; read the ratio per CPU second.`);
  }
  for (const yardstick of YARDSTICKS) {
    if (summary.subject === 'sealed') lines.push(...ratioRange(summary, yardstick));
  }
  if (summary.failureCount > 0) {
    const reasons = [...new Set(summary.failures)].slice(0, 5).join('; ');
    lines.push(
      `${title}: FAILED: ${summary.failureCount} of ${summary.requests} responses wrong or missing: ${reasons}`,
    );
  }
  return lines;
}

/** What kept a subject from filling its core. */
function limitOf(summary: Summary): string {
  const { subjectUtilisation, loadUtilisation, foreignUtilisation } = summary;
  const seen = `its core ${percent(subjectUtilisation)}, load core ${percent(loadUtilisation)}`;
  if (loadUtilisation.median >= LOAD_CORE_FULL) return `the load was the limit (${seen})`;
  if (foreignUtilisation.median > FOREIGN_WORK_NOTABLE) {
    return `other work took ${percent(foreignUtilisation)} of its core (${seen})`;
  }
  return `neither core was full, as on a machine with other work (${seen})`;
}

function ratioRange(summary: Summary, yardstick: Yardstick): string[] {
  const ratios = summary.versus[yardstick];
  if (!ratios) return [];
  const { throughput, requestsPerCpuSecond } = ratios;
  return [
    `${SUBJECT_TITLES[summary.subject]}: ${range(throughput)} x ${SUBJECT_TITLES[yardstick]} by throughput, ` +
      `${range(requestsPerCpuSecond)} x per CPU second.`,
  ];
}

function range({ median, min, max }: Spread): string {
  return `${median.toFixed(3)} (${min.toFixed(3)}-${max.toFixed(3)})`;
}

function percent({ median }: Spread): string {
  return `${(median * 100).toFixed(0)} %`;
}

/** Figures from a machine with other work are for looking at, not for quoting. */
function quietness(summaries: readonly Summary[]): string {
  const worst = Math.max(...summaries.map(({ foreignUtilisation }) => foreignUtilisation.max));
  const advice = worst > FOREIGN_WORK_NOTABLE ? ': measure again on a quiet machine' : '';
  return `other work on the subject's core: at most ${(worst * 100).toFixed(0)} %${advice}`;
}

function verdict(summaries: readonly Summary[]): string {
  const requests = summaries.reduce((total, summary) => total + summary.requests, 0);
  const failures = summaries.reduce((total, summary) => total + summary.failureCount, 0);
  return `correctness: ${failures} of ${requests} measured responses were missing, not 200, or other than sent`;
}

/** One line. Units are in the names; every spread has median, min and max over the rounds. */
export function reportJson(machine: Machine, options: Options, cores: Cores, summaries: readonly Summary[]): string {
  const failureCount = summaries.reduce((total, summary) => total + summary.failureCount, 0);
  return JSON.stringify({
    bench: 'mte-relay',
    at: new Date().toISOString(),
    ok: failureCount === 0,
    failureCount,
    machine,
    cores,
    options,
    workload: { method: 'POST', requestBytes: REQUEST_BODY.length, responseBytes: RESPONSE_BODY.length },
    subjects: Object.fromEntries(summaries.map((summary) => [summary.subject, summary])),
  });
}
