// The dashboard as Grafana will read it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: { readonly expr: string; readonly legendFormat: string }[];
}

const BOARD = JSON.parse(readFileSync(join(import.meta.dirname, '../../deploy/grafana/mte-relay.json'), 'utf8')) as {
  schemaVersion: number;
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; type: string; query: unknown }[] };
};
const PANELS = BOARD.panels.filter(({ type }) => type !== 'row');

test('the five panels of the reference are the first row, by their names', () => {
  const first = PANELS.filter(({ gridPos }) => gridPos.y === PANELS[0]?.gridPos.y);
  expect(first.map(({ title }) => title)).toEqual([
    'Requests Processed [req/sec]',
    'Request Time [ms]',
    'Upstream Proxy Time [ms]',
    'Average Decode Time [ms]',
    'Average Encode Time [ms]',
  ]);
});

test('panels stand beside each other, each with a title, a unit, a description and the chosen data source', () => {
  const taken = new Set<string>();
  for (const { gridPos, title, description, datasource, fieldConfig, targets = [] } of PANELS) {
    expect(description, title).toMatch(/\.$/);
    expect(fieldConfig?.defaults.unit, title).toBeTruthy();
    expect(datasource?.uid).toBe('$datasource');
    expect(targets.length, title).toBeGreaterThan(0);
    for (const { expr, legendFormat } of targets) {
      expect(legendFormat).not.toBe('');
      expect(expr, title).toContain('{namespace=~"$namespace", pod=~"$pod"');
    }
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken.has(`${x} ${y}`), title).toBe(false);
        taken.add(`${x} ${y}`);
      }
    }
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  }
  const ids = BOARD.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('it asks for a data source, a namespace and a pod', () => {
  expect(BOARD.templating.list.map(({ name, type }) => [name, type])).toEqual([
    ['datasource', 'datasource'],
    ['namespace', 'query'],
    ['pod', 'query'],
  ]);
  expect(BOARD.schemaVersion).toBeGreaterThanOrEqual(42);
});
