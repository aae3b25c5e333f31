// `npm run dashboard:picture`: docs/dashboard.png, the dashboard with the data of two real relays under load. Grafana is not
// needed: a real Prometheus evaluates the queries of mte-relay.json, the panels become HTML and SVG on Grafana's grid of 24
// columns, and Chromium takes a screenshot of the page.
import { join } from 'node:path';
import { openBrowser } from '@mte-relay/testing/chromium';
import type { Series } from '@mte-relay/testing/prometheus';
import { toolPath } from '@mte-relay/testing/tools';
import { requireTools } from '../../scripts/test/provide.ts';
import { type Observed, startObserved } from './observed.ts';
import { type Panel, type PanelQuery, readPanels } from './queries.ts';

const PICTURE = join(import.meta.dirname, '../../docs/dashboard.png');
const WIDTH_PIXELS = 1_800;
const GAP_PIXELS = 8;
const HEAD_PIXELS = 44;
const ROW_PIXELS = 30;
const COLUMN_PIXELS = (WIDTH_PIXELS - GAP_PIXELS) / 24;
const COLOURS = ['#73bf69', '#f2cc0c', '#5794f2', '#ff9830', '#f2495c', '#b877d9', '#8ab8ff', '#37872d', '#fade2a'];
const MEBIBYTE = 1_048_576;
/** Approximately Grafana's dark theme. */
const STYLE = `
body { margin: 0; background: #111217; color: #ccccdc; font-family: Inter, "DejaVu Sans", sans-serif; }
main { position: relative; }
h1, h2, h3 { margin: 0; font-weight: 500; white-space: nowrap; }
h1 { padding: 12px 16px; font-size: 20px; }
h2 { padding: 6px 8px; font-size: 15px; }
h3 { overflow: hidden; font-size: 13px; text-overflow: ellipsis; }
section { position: absolute; display: flex; flex-direction: column; box-sizing: border-box; }
section:not(:has(h2)) { padding: 8px; border: 1px solid #25272c; border-radius: 3px; background: #181b1f; }
.plot { position: relative; flex: 1; margin: 10px 26px 22px 58px; font-size: 10px; color: #9a9aa8; }
.plot svg { position: absolute; width: 100%; height: 100%; }
.plot path { stroke-width: 1.2; vector-effect: non-scaling-stroke; }
.plot i { position: absolute; font-style: normal; white-space: nowrap; }
.y { right: 100%; left: 0; border-top: 1px solid #25272c; }
.y span { position: absolute; right: 100%; padding-right: 6px; transform: translateY(-60%); }
.x { top: 0; bottom: 0; border-left: 1px solid #25272c; }
.x span { position: absolute; top: 100%; padding-top: 4px; transform: translateX(-50%); }
ul { display: flex; flex-wrap: wrap; gap: 1px 10px; margin: 0; padding: 0; font-size: 10.5px; list-style: none; }
li::before { display: inline-block; width: 12px; height: 3px; margin: 0 4px 3px 0; border-radius: 2px;
  background: var(--colour); content: ""; }
.number, .empty { flex: 1; display: flex; align-items: center; justify-content: center; }
.number { color: #73bf69; font-size: 56px; }
.empty { color: #8e8e9c; font-size: 13px; }
table { width: 100%; border-collapse: collapse; font-size: 10px; table-layout: fixed; }
td { overflow: hidden; padding: 3px 2px; border-bottom: 1px solid #25272c; text-overflow: ellipsis; white-space: nowrap; }
td:first-child { width: 52px; color: #8e8e9c; }
`;

requireTools(['chromium', 'prometheus', 'redis-server']);
const observed = await startObserved();
try {
  const from = Math.ceil(Date.now() / 1000) + 3; // without the start
  await aDay(observed);
  const to = Math.floor(Date.now() / 1000) - 1;
  const times = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const panels = readPanels('10s', `${to - from}s`).map(async (panel) => {
    const results = panel.queries.map(async (query) =>
      linesOf(query, await observed.prometheus.range(query.expr, from, to)),
    );
    return drawn(panel, (await Promise.all(results)).flat(), times);
  });
  await photograph(page(await Promise.all(panels)));
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

async function photograph(html: string): Promise<void> {
  const browser = await openBrowser(toolPath('chromium') as string);
  try {
    await browser.page.setViewportSize({ width: WIDTH_PIXELS, height: 1_000 });
    await browser.page.setContent(html);
    await browser.page.locator('main').screenshot({ path: PICTURE });
  } finally {
    await browser.close();
  }
}

// ---- Lines

interface Line {
  /** The legend as Grafana fills it in. */
  readonly name: string;
  readonly labels: Series['labels'];
  /** By Unix time in seconds; finite. */
  readonly values: ReadonlyMap<number, number>;
}

function linesOf({ legend }: PanelQuery, results: readonly Series[]): Line[] {
  return results.map(({ labels, values }) => ({
    name: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? ''),
    labels,
    values: new Map(values.filter(([, value]) => Number.isFinite(value))),
  }));
}

/** Stacks each line on those before it. */
function stacked(lines: readonly Line[], times: readonly number[]): Line[] {
  const sums = new Map(times.map((time) => [time, 0]));
  return lines.map((line) => {
    for (const [time, value] of line.values) sums.set(time, (sums.get(time) ?? 0) + value);
    return { ...line, values: new Map(sums) };
  });
}

// ---- The page

interface Drawn {
  readonly html: string;
  readonly bottomPixels: number;
}

function page(panels: readonly Drawn[]): string {
  const height = Math.max(...panels.map(({ bottomPixels }) => bottomPixels)) + GAP_PIXELS;
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style>
<main style="height: ${height}px"><h1>MTE Relay</h1>${panels.map(({ html }) => html).join('\n')}</main>`;
}

function drawn(panel: Panel, lines: readonly Line[], times: readonly number[]): Drawn {
  const { x, y, w, h } = panel.gridPos;
  const top = HEAD_PIXELS + y * ROW_PIXELS;
  const height = h * ROW_PIXELS - (panel.type === 'row' ? 0 : GAP_PIXELS);
  const place = `left: ${GAP_PIXELS + x * COLUMN_PIXELS}px; width: ${w * COLUMN_PIXELS - GAP_PIXELS}px`;
  const html = `<section style="${place}; top: ${top}px; height: ${height}px">${inner(panel, lines, times)}</section>`;
  return { html, bottomPixels: top + height };
}

function inner(panel: Panel, lines: readonly Line[], times: readonly number[]): string {
  if (panel.type === 'row') return `<h2>${escaped(panel.title)}</h2>`;
  const title = `<h3>${escaped(panel.title)}</h3>`;
  if (panel.type === 'stat') return title + number(panel, lines[0]);
  if (panel.type === 'table') return title + table(lines);
  return title + (lines.length === 0 ? '<div class="empty">none</div>' : plot(panel, lines, times));
}

function number({ unit }: Panel, line: Line | undefined): string {
  const value = [...(line?.values.values() ?? [])].at(-1);
  return `<div class="number">${value === undefined ? 'No data' : written(value, unit)}</div>`;
}

function table(lines: readonly Line[]): string {
  const rows = lines.flatMap(({ labels }) => Object.entries(labels));
  return `<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('')}</table>`;
}

// ---- Plots

function plot(panel: Panel, lines: readonly Line[], times: readonly number[]): string {
  const shown = panel.stacked ? stacked(lines, times) : lines;
  const highest = Math.max(...shown.flatMap(({ values }) => [...values.values()]), Number.MIN_VALUE);
  const top = panel.max ?? highest * 1.15;
  const [first = 0, last = 1] = [times[0], times.at(-1)];
  const left = (time: number): number => (100 * (time - first)) / (last - first);
  const below = (value: number): number => 100 - (100 * value) / top;
  const apart = panel.gridPos.w > 4 ? 30 : 60; // seconds
  const rules = [
    ...ticks(top, panel.unit).map(
      (value) =>
        `<i class="y" style="top: ${below(value)}%; right: 0"><span>${written(value, panel.unit, top)}</span></i>`,
    ),
    ...times
      .filter((time) => time % apart === 0 && left(time) > 5 && left(time) < 97)
      .map((time) => `<i class="x" style="left: ${left(time)}%"><span>${clock(time)}</span></i>`),
  ];
  const paths = shown.map(({ values }, at) => {
    const under = (panel.stacked && shown[at - 1]?.values) || new Map<number, number>();
    return runsOf(values, times)
      .map((run) => {
        const edge = run.map((time) => `${left(time)},${below(values.get(time) as number)}`);
        const ground = run.map((time) => `${left(time)},${below(under.get(time) ?? 0)}`).reverse();
        const colour = colourOf(at);
        return (
          `<path d="M${[...edge, ...ground].join('L')}Z" fill="${colour}" fill-opacity="${panel.stacked ? 0.4 : 0.08}"/>` +
          `<path d="M${edge.join('L')}" fill="none" stroke="${colour}"/>`
        );
      })
      .join('');
  });
  const names = panel.title.startsWith('Average ') ? [] : lines.map(({ name }) => name);
  const legend = names.map((name, at) => `<li style="--colour: ${colourOf(at)}">${escaped(name)}</li>`);
  return `<div class="plot">${rules.join('')}
<svg viewBox="0 0 100 100" preserveAspectRatio="none">${paths.join('')}</svg></div><ul>${legend.join('')}</ul>`;
}

/** The times at which a line has values, in runs without a gap. */
function runsOf(values: ReadonlyMap<number, number>, times: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const time of times) {
    if (!values.has(time)) continue;
    if (values.has(time - 1)) runs.at(-1)?.push(time);
    else runs.push([time]);
  }
  return runs;
}

/** Values with a line across: up to five, round in the unit. */
function ticks(top: number, unit: string): number[] {
  const base = unit === 'bytes' ? MEBIBYTE : unit === 's' && top > 120 ? 60 : 1;
  const rough = top / base / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = base * magnitude * ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10);
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, at) => at * step);
}

/** A value as Grafana writes its unit. @param top the largest on the axis, which determines the number of digits. */
function written(value: number, unit: string, top = value): string {
  const digits = top >= 20 ? 0 : top >= 2 ? 1 : top >= 0.2 ? 2 : 3;
  const plain = String(Number(value.toFixed(digits)));
  switch (unit) {
    case 'percentunit':
      return `${(value * 100).toFixed(top < 0.05 ? 1 : 0)}%`;
    case 'ms':
      return `${plain} ms`;
    case 'reqps':
      return `${plain} req/s`;
    case 'cps':
      return `${plain} c/s`;
    case 's':
      return value >= 60 ? `${(value / 60).toFixed(1)} min` : `${value.toFixed(0)} s`;
    case 'bytes':
      return `${(value / MEBIBYTE).toFixed(0)} MiB`;
    case 'Bps':
      return `${(value / 1_000).toFixed(0)} kB/s`;
    default:
      return plain;
  }
}

function clock(seconds: number): string {
  return new Date(seconds * 1_000).toTimeString().slice(0, 8);
}

function colourOf(at: number): string {
  return COLOURS[at % COLOURS.length] as string;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
