// The figures of one campaign as text, with the trace of calls that violate a promise.
import type { Violation } from '../../../scripts/docs/reliability-tables.ts';
import type { CampaignResult } from './campaign.ts';
import { VIOLATIONS } from './oracle.ts';

const TRACES_SHOWN = 5;

export function reportOf({ figures, findings }: CampaignResult): string {
  const { title, seconds, violations, unavailableMs } = figures;
  const lines = [
    `\n${title} (${figures.setup}), ${seconds} s`,
    `  calls ${figures.calls}, not safe ${figures.unsafeCalls}: succeeded ${figures.succeeded}, may have run ` +
      `${figures.mayHaveRun}, never ran ${figures.neverRan}, aborted ${figures.aborted}; resent ${figures.resent}`,
    `  faults of messages ${figures.messageFaults}, outages ${figures.outages}`,
    ...Object.entries(violations).map(
      ([name, count]) => `  ${count === 0 ? ' ' : '!'} ${count}  ${VIOLATIONS[name as Violation]}`,
    ),
    '  longest without a success, by outage:',
    ...Object.entries(unavailableMs)
      .map(([kind, ms]) => [ms ?? Number.POSITIVE_INFINITY, kind] as const)
      .sort(([a], [b]) => b - a)
      .map(([ms, kind]) => `    ${(ms / 1_000).toFixed(2).padStart(8)} s  ${kind}`),
  ];
  for (const violation of Object.keys(violations)) {
    for (const { id, detail, trace } of findings.filter((one) => one.violation === violation).slice(0, TRACES_SHOWN)) {
      lines.push(`\n  ${violation}: call ${id}: ${detail}`, ...trace.map((line) => `    ${line}`));
    }
  }
  return lines.join('\n');
}
