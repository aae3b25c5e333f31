// `npm run dashboard:picture`: docs/dashboard.png, the dashboard with the data of two real relays under load. Grafana is not
// needed: the panels of deploy/grafana/mte-relay.json are laid out as it would, their queries answered by a real
// Prometheus, their lines drawn by uPlot in Chromium (page.js).
import { join } from 'node:path';
import type { Observed } from '../../test/e2e/support/observed.ts';
import { readPanels } from '../../test/e2e/support/panels.ts';
import type { Series } from '../test/programs/prometheus.ts';
import { requireTools } from '../test/provide.ts';
import { type Drawing, photograph } from './photograph.ts';

const PICTURE = join(import.meta.dirname, '../../docs/dashboard.png');

requireTools(['chromium', 'prometheus', 'redis-server']);
const { MTE_RELAY_CHROMIUM: chromium } = process.env;
if (!chromium) throw new Error('Chromium is needed');
// What starts programs looks for their paths when it is loaded.
const { startObserved } = await import('../../test/e2e/support/observed.ts');
const observed = await startObserved();
try {
  const from = Math.ceil(Date.now() / 1000) + 3; // what comes before is the start
  await aDay(observed);
  const drawing = await answered(observed, from, Math.floor(Date.now() / 1000) - 1);
  await photograph(chromium, drawing, PICTURE);
} finally {
  await observed.close();
}
console.log('docs/dashboard.png');

/** Quiet, busy, a Redis that hangs, and quiet again. */
async function aDay(stage: Observed): Promise<void> {
  await stage.load(35, 1);
  await stage.load(40, 5);
  const hangs = setTimeout(() => stage.redis.freeze(true), 5_000);
  const goesOn = setTimeout(() => stage.redis.freeze(false), 9_000);
  await stage.load(25, 3).finally(() => [hangs, goesOn].forEach(clearTimeout));
  stage.redis.freeze(false);
  await stage.load(20, 1);
}

async function answered({ prometheus }: Observed, from: number, to: number): Promise<Drawing> {
  const times = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const panels = await Promise.all(
    readPanels('10s', `${to - from}s`).map(async ({ queries, ...panel }) => {
      const answers = await Promise.all(queries.map(({ expr }) => prometheus.range(expr, from, to)));
      const named = answers.flatMap((series, at) => series.map((one) => ({ legend: queries[at]?.legend ?? '', one })));
      return {
        ...panel,
        lines: named.map(({ legend, one }) => ({ name: filled(legend, one), values: valuesAt(times, one) })),
        rows: panel.type === 'table' ? named.map(({ one }) => one.labels) : [],
      };
    }),
  );
  return { times, panels };
}

/** A legend as Grafana fills it in. */
function filled(legend: string, { labels }: Series): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '');
}

function valuesAt(times: readonly number[], { values }: Series): (number | null)[] {
  const byTime = new Map(values);
  return times.map((time) => {
    const value = byTime.get(time);
    return value === undefined || !Number.isFinite(value) ? null : value;
  });
}
