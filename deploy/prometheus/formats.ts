// The rules in three forms: a rule file of Prometheus, a PrometheusRule of its operator, and a
// template that makes rule groups of Azure Monitor (Microsoft.AlertsManagement/prometheusRuleGroups, 2023-03-01).
import { stringify } from 'yaml';
import { ALERTS, type Alert, conditionOf, GROUPS, type Group, runbookOf } from './rules.ts';

const NOTE = ' Generated from deploy/prometheus/rules.ts by npm run docs; do not edit.\n';
/** Azure Monitor accepts at most this many in one group. */
const AZURE_GROUP_RULES_MAX = 20;
const AZURE_SEVERITY = { critical: 1, warning: 3 } as const;

/** For `rule_files` of prometheus.yml. */
export function ruleFile(): string {
  return yaml({ groups: GROUPS.map(prometheusGroup) });
}

/** For clusters with the Prometheus operator. */
export function operatorRules(): string {
  return yaml({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'mte-relay', labels: { 'app.kubernetes.io/name': 'mte-relay' } },
    spec: { groups: GROUPS.map(prometheusGroup) },
  });
}

/** For `az deployment group create --template-file`. */
export function azureTemplate(): object {
  return {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    metadata: { description: NOTE.trim() },
    parameters: {
      location: parameter('Region of the Azure Monitor workspace.', '[resourceGroup().location]'),
      azureMonitorWorkspaceId: parameter('Resource id of the Azure Monitor workspace that the cluster writes to.'),
      clusterName: parameter('Name of the AKS cluster; the rules read its data alone.'),
      actionGroupId: parameter('Resource id of the action group to notify; empty to notify nobody.', ''),
    },
    resources: GROUPS.map(azureGroup),
  };
}

/** The alerts as a table, each with its runbook. */
export function alertTable(): string {
  const rows = ALERTS.map((alert) => {
    const after = alert.forMinutes === 0 ? 'at once' : `${alert.forMinutes} min`;
    const name = `[${alert.name}](${runbookOf(alert).replace('docs/', '')})`;
    return `| ${name} | ${alert.severity} | ${alert.summary} | ${after} |\n`;
  });
  return `\n| Alert | Severity | Summary | After |\n|---|---|---|---|\n${rows.join('')}\n`;
}

function prometheusGroup({ name, recordings, alerts }: Group): object {
  return {
    name,
    rules: [
      ...recordings,
      ...alerts.map((alert) => ({
        alert: alert.name,
        expr: conditionOf(alert),
        ...(alert.forMinutes > 0 && { for: `${alert.forMinutes}m` }),
        labels: { severity: alert.severity },
        annotations: annotationsOf(alert),
      })),
    ],
  };
}

function azureGroup({ name, recordings, alerts }: Group): object {
  const rules = [
    ...recordings.map(({ record, expr }) => ({ record, expression: expr, enabled: true })),
    ...alerts.map((alert) => ({
      alert: alert.name,
      expression: conditionOf(alert),
      for: `PT${alert.forMinutes}M`,
      severity: AZURE_SEVERITY[alert.severity],
      enabled: true,
      labels: { severity: alert.severity },
      annotations: annotationsOf(alert),
      resolveConfiguration: { autoResolved: true, timeToResolve: 'PT10M' },
      actions:
        "[if(empty(parameters('actionGroupId')), createArray(), createArray(createObject('actionGroupId', parameters('actionGroupId'))))]",
    })),
  ];
  if (rules.length > AZURE_GROUP_RULES_MAX)
    throw new Error(`${name} has ${rules.length} rules: more than Azure Monitor accepts`);
  return {
    type: 'Microsoft.AlertsManagement/prometheusRuleGroups',
    apiVersion: '2023-03-01',
    name,
    location: "[parameters('location')]",
    properties: {
      scopes: ["[parameters('azureMonitorWorkspaceId')]"],
      clusterName: "[parameters('clusterName')]",
      enabled: true,
      interval: 'PT1M',
      rules,
    },
  };
}

function annotationsOf(alert: Alert): Record<string, string> {
  return { summary: alert.summary, description: alert.description, runbook_url: runbookOf(alert) };
}

function parameter(description: string, defaultValue?: string): object {
  return { type: 'string', metadata: { description }, ...(defaultValue !== undefined && { defaultValue }) };
}

function yaml(value: unknown): string {
  return `#${NOTE}${stringify(value, { lineWidth: 0 })}`;
}
