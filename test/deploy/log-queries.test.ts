// The queries for Azure Monitor name no field and no message that is not in the log lines of a real relay.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCollector } from '@mte-relay/testing/collector';
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { relayBefore } from '@mte-relay/testing/relay-process';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { openOuter } from '@mte-relay/testing/sealed-websocket';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { LOG_LEVELS } from '../../packages/server/src/config/settings.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'deploy/azure/queries');
const QUERIES = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));

type Line = Readonly<Record<string, unknown>>;

/** Lines of a relay that served a request of each route, a replay and a failed upstream, and then closed. */
async function linesOfALife(): Promise<{ lines: Line[]; output: string }> {
  const redis = await startRedis();
  const collector = await startCollector();
  const relay = await relayBefore((req, res) => (req.url === '/break' ? req.socket.destroy() : res.end('hello')), {
    REDIS_URL: redis.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    PASS_THROUGH_ROUTES: '/plain',
    DRAIN_DELAY_MS: '0',
  });
  await expect.poll(() => relay.lines().some(({ ready }) => ready === true), { timeout: 10_000 }).toBe(true);
  const client = await SealedClient.pair(relay.port);
  const { message } = await client.seal(plaintextOf({}));
  await client.post(message);
  await client.post(message);
  await client.fetch({ method: 'POST', path: '/break' });
  await client.cancel(50);
  await send(relay.port, '/plain', { method: 'GET' });
  (await openOuter(relay.port)).terminate();
  await expect.poll(() => relay.lines().some(({ msg }) => msg === 'websocket'), { timeout: 10_000 }).toBe(true);
  relay.child.kill('SIGTERM');
  await relay.exited;
  await redis.remove();
  return { lines: relay.lines(), output: relay.output() };
}

/** A value of a line, as line.fault.code. */
function valueAt(line: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Line | undefined)?.[name], line);
}

test.skipIf(!REDIS_SERVER)('each field and message of each query is in the lines of a run', async () => {
  const { lines, output } = await linesOfALife();
  expect(QUERIES.length).toBeGreaterThan(5);
  for (const { name, text } of QUERIES) {
    const fields = [...text.matchAll(/\bline((?:\.\w+)+)/g)].map(([, path]) => (path as string).slice(1));
    expect(fields.length, name).toBeGreaterThan(1);
    for (const field of fields) {
      expect(
        lines.some((line) => valueAt(line, field.split('.')) !== undefined),
        `${field} in ${name}`,
      ).toBe(true);
    }
    for (const [, field, list] of text.matchAll(/tostring\(line\.(\w+)\) (?:in|==) ([("][^|]*?[)"])\n/g)) {
      for (const [, value] of (list as string).matchAll(/"([^"]+)"/g)) {
        const known = field === 'level' ? LOG_LEVELS : lines.map((line) => line[field as string]);
        expect(known, `${field} "${value}" in ${name}`).toContain(value);
      }
    }
  }
  // Codes are counted by the lines that have a route too: one for each request.
  const failed = lines.filter(({ code, route }) => code !== undefined && route !== undefined);
  expect(failed.map(({ code }) => code).sort()).toEqual(['replayed', 'upstream-failed']);
  expect(lines.filter(({ code }) => code === 'upstream-failed')).toHaveLength(2);
  // ContainerLogV2 reads a line that is one JSON object with a level by its name.
  for (const line of output.trimEnd().split('\n')) {
    const { level, time, msg } = JSON.parse(line) as Record<string, string>;
    expect(LOG_LEVELS).toContain(level);
    expect(new Date(time as string).toISOString()).toBe(time);
    expect(msg).toBeTypeOf('string');
  }
});

test('queries look at the container by the name that the manifest gives it, and scrapers at its port', () => {
  const deployment = parse(readFileSync(join(ROOT, 'deploy/kubernetes/base/deployment.yaml'), 'utf8'));
  const { metadata, spec } = deployment.spec.template;
  const [container] = spec.containers;
  for (const { name, text } of QUERIES) expect(text, name).toContain(`ContainerName == "${container.name}"`);
  const monitors = ['deploy/azure/pod-monitor.yaml', 'deploy/prometheus/pod-monitor.yaml'];
  for (const path of monitors) {
    const monitor = parse(readFileSync(join(ROOT, path), 'utf8'));
    expect(metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
    const ports = container.ports.map((port: { name: string }) => port.name);
    expect(ports).toContain(monitor.spec.podMetricsEndpoints[0].port);
  }
});
