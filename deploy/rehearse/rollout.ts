// `npm run rollout`: rehearses a rolling update and the rotation of each secret with local processes, under load, and prints
// its observations. Two replicas of the image's content behind HAProxy, a real Redis, a real Prometheus, the environment of
// the rendered manifests. Two to five minutes. Exits with 1 if an exchange failed or ran twice.
//   npm run rollout -- [--overlay overlays/trial|overlays/aks] [--closure]
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { requireTools } from '../../scripts/test/provide.ts';
import { closureContent, IMAGE, imageConfig, imageContent } from './content.ts';
import { type RehearsalResult, rehearse } from './rehearsal.ts';

const { values } = parseArgs({
  options: { overlay: { type: 'string', default: 'overlays/trial' }, closure: { type: 'boolean', default: false } },
});
requireTools(['redis-server', 'prometheus', 'kubectl', 'haproxy']);

const hasImage = !values.closure && process.getuid?.() === 0 && imageConfig(IMAGE) !== undefined;
const content = hasImage ? imageContent(IMAGE) : closureContent();
console.log(`content: ${content.description}`);
if (hasImage) console.log(`built from: ${originOf(imageConfig(IMAGE)?.Labels['org.opencontainers.image.revision'])}`);
console.log(`environment: deploy/kubernetes/${values.overlay}, with local addresses and new secrets`);
try {
  const result = await rehearse({
    content,
    overlay: values.overlay,
    steps: ['rolling update', 'CLIENT_ID_SECRET', 'RELAY_IDENTITY_SEED'],
    clients: 4,
    workersEach: 4,
    calmMs: 5_000,
    // HAProxy notices in a second what an Application Gateway notices in a minute and a half.
    shorter: { replicas: 2, ...(values.overlay.includes('/aks') && { DRAIN_DELAY_MS: '10000' }) },
    say: (line) => console.log(`  ${new Date().toISOString().slice(11, 19)} ${line}`),
  });
  print(result);
  process.exitCode = isClean(result) ? 0 : 1;
} finally {
  content.release();
}

/** A revision, and whether it is the checked-out one. */
function originOf(revision: string | undefined): string {
  const here = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  return revision === here ? `this commit, ${here}` : `${revision}, not this commit: npm run image:try builds this one`;
}

function print({ steps, succeeded, failures, ranTwice, neverRan, ranByUpstream, scraped }: RehearsalResult): void {
  const rows = steps.map(({ name, seconds, slowestMs, ...counts }) => ({
    step: name,
    seconds: seconds.toFixed(1),
    ...counts,
    'slowest ms': Math.round(slowestMs),
  }));
  const columns = Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[];
  const width = (column: (typeof columns)[number]): number =>
    Math.max(column.length, ...rows.map((row) => String(row[column]).length));
  const line = (cell: (column: (typeof columns)[number]) => unknown): string =>
    columns.map((column, i) => String(cell(column))[i === 0 ? 'padEnd' : 'padStart'](width(column))).join('  ');
  console.log(`\n${line((column) => column)}`);
  for (const row of rows) console.log(line((column) => row[column]));
  console.log(`
calls that succeeded             ${succeeded}
failed                           ${failures.length}
the upstream ran                 ${ranByUpstream}
  of these twice                 ${ranTwice.length}
succeeded and never run          ${neverRan.length}
Prometheus: replicas scraped     ${scraped.pods}
  exchanges with 2xx             ${scraped.exchanges}
  pairings                       ${scraped.pairings}
  replays refused                ${scraped.replaysRefused}
  refusals and failures          ${scraped.failures}`);
  for (const failure of failures.slice(0, 10)) console.log(`failed: ${failure}`);
}

function isClean({ succeeded, failures, ranTwice, neverRan, ranByUpstream, scraped }: RehearsalResult): boolean {
  const agree = succeeded === ranByUpstream && succeeded === scraped.exchanges;
  return succeeded > 0 && failures.length + ranTwice.length + neverRan.length === 0 && agree;
}
