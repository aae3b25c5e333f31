// Alerts and recording rules: promtool's own tests of them, their other forms, and where they send an operator.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolPath } from '@mte-relay/testing/tools';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ALERTS, conditionOf, GROUPS, runbookOf } from '../../deploy/prometheus/rules.ts';
import { familyNames } from '../../scripts/docs/metrics-document.ts';

const ROOT = join(import.meta.dirname, '../..');
const PROMTOOL = toolPath('promtool');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function promtool(...args: string[]): string {
  return execFileSync(PROMTOOL as string, args, { cwd: join(ROOT, 'deploy/prometheus'), encoding: 'utf8' });
}

test.skipIf(!PROMTOOL)('each alert fires when it should and is silent otherwise, says promtool', () => {
  expect(promtool('check', 'rules', 'mte-relay-rules.yaml')).toContain(
    `${GROUPS.flatMap(({ recordings, alerts }) => [...recordings, ...alerts]).length} rules found`,
  );
  expect(promtool('check', 'config', 'prometheus.yaml')).toContain('is valid');
  for (const file of ['mte-relay-rules.test.yaml', 'mte-relay-rules-week.test.yaml']) {
    expect(promtool('test', 'rules', file), file).toContain('SUCCESS');
  }
});

test('promtool tests each alert: silent, and firing', () => {
  const { tests } = parse(read('deploy/prometheus/mte-relay-rules.test.yaml')) as {
    tests: { promql_expr_test?: { expr: string; exp_samples?: unknown[] }[] }[];
  };
  const asked = tests.flatMap(({ promql_expr_test = [] }) => promql_expr_test);
  for (const { name } of ALERTS) {
    const outcomes = asked
      .filter(({ expr }) => expr === `ALERTS{alertname="${name}", alertstate="firing"}`)
      .map(({ exp_samples = [] }) => exp_samples.length);
    expect(outcomes.slice(0, 2), name).toEqual([0, 1]);
    expect(outcomes.slice(2).filter(Boolean), `further cases of ${name} are of its silence`).toEqual([]);
  }
});

test('each alert sends the operator to a heading of the guide', () => {
  const headings = [...read('docs/operations.md').matchAll(/^#+ (.+)$/gm)].map(([, text]) => anchorOf(text as string));
  for (const alert of ALERTS) {
    const [document, anchor] = runbookOf(alert).split('#');
    expect(document).toBe('docs/operations.md');
    expect(headings, alert.name).toContain(anchor);
  }
});

/** As forges make anchors of headings. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

test('rules and panels name no metric that the relay does not have', () => {
  const known = new Set(familyNames());
  const texts = ['deploy/prometheus/mte-relay-rules.yaml', 'deploy/grafana/mte-relay.json'].map(read);
  const named = texts.flatMap((text) => [...text.matchAll(/\bmte_relay_[a-z_]+/g)].map(([name]) => name));
  expect(named.length).toBeGreaterThan(50);
  const unknown = named.filter((name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/, '')));
  expect(unknown).toEqual([]);
});

test('Azure Monitor gets the same rules, in groups that it takes', () => {
  const template = JSON.parse(read('deploy/azure/mte-relay-rule-groups.json')) as {
    resources: {
      type: string;
      apiVersion: string;
      properties: { interval: string; rules: { alert?: string; record?: string; expression: string; for?: string }[] };
    }[];
  };
  const rules = template.resources.flatMap(({ properties }) => properties.rules);
  expect(rules.filter(({ alert }) => alert).map(({ alert, expression }) => [alert, expression])).toEqual(
    ALERTS.map((alert) => [alert.name, conditionOf(alert)]),
  );
  expect(rules.filter(({ record }) => record).map(({ record, expression }) => [record, expression])).toEqual(
    GROUPS.flatMap(({ recordings }) => recordings.map(({ record, expr }) => [record, expr])),
  );
  for (const { type, apiVersion, properties } of template.resources) {
    expect([type, apiVersion]).toEqual(['Microsoft.AlertsManagement/prometheusRuleGroups', '2023-03-01']);
    expect(properties.rules.length).toBeLessThanOrEqual(20);
    expect(properties.interval).toBe('PT1M');
    // A text that begins with a bracket would be an expression of the template.
    for (const { expression } of properties.rules) expect(expression).not.toMatch(/^\[/);
  }
});

test('the two ways of Azure’s add-on and the two of Kubernetes scrape the same', () => {
  const config = parse(read('deploy/azure/ama-metrics-prometheus-config.yaml')) as {
    metadata: object;
    data: Record<string, string>;
  };
  expect(config.metadata).toEqual({ name: 'ama-metrics-prometheus-config', namespace: 'kube-system' });
  const [azure] = parse(config.data['prometheus-config'] as string).scrape_configs;
  const [plain] = parse(read('deploy/prometheus/prometheus-kubernetes.yaml')).scrape_configs;
  expect(azure.relabel_configs).toEqual(plain.relabel_configs);
  const [ours, theirs] = ['deploy/prometheus/pod-monitor.yaml', 'deploy/azure/pod-monitor.yaml'].map((path) =>
    parseAllDocuments(read(path)).map((document) => document.toJS()),
  );
  expect(ours?.[0].spec.selector).toEqual(theirs?.[0].spec.selector);
  expect(ours?.[0].spec.podMetricsEndpoints[0].port).toBe(theirs?.[0].spec.podMetricsEndpoints[0].port);
  expect(theirs?.[0].apiVersion).toBe('azmonitoring.coreos.com/v1');
});
