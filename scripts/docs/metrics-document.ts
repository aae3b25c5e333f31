// docs/metrics.md, made from the metrics themselves; `npm run docs` writes it.
import { type FamilyDescription, Metrics } from '../../packages/server/src/observe/metrics.ts';

const INTRODUCTION = `# Metrics

Generated from \`packages/server/src/observe/metrics.ts\` by \`npm run docs\`; do not edit.

\`GET /metrics\` on ADMIN_PORT responds in Prometheus’ text format. The relay’s own metrics are below; the response also has
those of the process by the names of prom-client (\`process_*\`, \`nodejs_*\`: CPU, memory, event loop lag, garbage
collection). Every series exists from the start with the value 0, and a client cannot add one.

`;

/** The whole document. */
export function metricsDocument(): string {
  return INTRODUCTION + families().map(section).join('\n');
}

/** Names of the relay's own metrics. */
export function familyNames(): string[] {
  return families().map(({ name }) => name);
}

function families(): FamilyDescription[] {
  const nothing = { exchange: 0, pairing: 0, pass_through: 0, websocket: 0 };
  return new Metrics({
    inFlight: () => nothing,
    connections: () => 0,
    sessions: () => undefined,
    sessionsCached: () => undefined,
    checks: () => ({ listening: false, serving: false, sessions: false }),
    limits: { EXCHANGES_MAX: 0, PAIRINGS_CONCURRENT_MAX: 0, SESSIONS_MAX: 0, WEBSOCKETS_MAX: 0, CONNECTIONS_MAX: 0 },
    domains: [],
    redisCa: undefined,
  }).families;
}

function section({ name, type, help, labels, bucketsSeconds }: FamilyDescription): string {
  const lines = [`## \`${name}\``, '', `${type}. ${help}.`];
  for (const [label, values] of Object.entries(labels)) {
    lines.push(
      ...(label === Object.keys(labels)[0] ? [''] : []),
      `- \`${label}\`${values.length > 0 ? `: ${values.map((value) => `\`${value}\``).join(', ')}` : ''}`,
    );
  }
  if (bucketsSeconds) lines.push('', `Buckets, seconds: ${bucketsSeconds.join(', ')}.`);
  return `${lines.join('\n')}\n`;
}
