// docs/operations.md and docs/azure.md: every block of commands is run here, or states that it needs a cluster or a
// cloud account and is parsed. Every symptom names tests that exist, and every metric, log line and alert exists.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Backend } from '@mte-relay/testing/backend';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { urlOf } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTS = ['docs/operations.md', 'docs/azure.md'];
const ORIGIN = 'https://app.example.com';
const MARKS: Readonly<Record<string, string>> = { cloud: '# needs a cloud account', cluster: '# needs a cluster' };
const run = promisify(execFile);

interface Block {
  readonly document: string;
  /** Behind `sh` on the fence. */
  readonly purpose: string;
  readonly code: string;
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const blocks = DOCUMENTS.flatMap((document) =>
  [...read(document).matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', code = '']): Block => {
    expect(info).toMatch(/^sh /); // there are no others
    return { document, purpose: info.slice(3), code };
  }),
);
const operations = read('docs/operations.md');

describe('commands', () => {
  const upstream = new Backend((_req, res) => res.end('well'));
  let relay: RelayProcess;

  beforeAll(async () => {
    const { url } = await upstream.start();
    relay = await startRelay({ ...requiredSettings(url), CORS_ORIGINS: ORIGIN, PASS_THROUGH_ROUTES: '/health' });
  });
  afterAll(async () => {
    await relay.stop('SIGKILL');
    upstream.stop();
  });

  test('every block runs, or states what it needs', () => {
    expect(blocks.length).toBeGreaterThan(12);
    for (const { document, purpose, code } of blocks) {
      if (purpose.startsWith('run ')) continue;
      const mark = MARKS[purpose];
      expect(mark, `"${purpose}" in ${document}`).toBeDefined();
      expect(code.split('\n')[0], document).toBe(mark);
    }
  });

  test.each(blocks.map((block, at) => [`${block.document} ${at} (${block.purpose})`, block] as const))(
    '%s is a script',
    async (_, { code }) => {
      await expect(run('bash', ['-n', '-c', code])).resolves.toBeDefined();
    },
  );

  test.each(blocks.filter(({ purpose }) => purpose.startsWith('run ')).map((block) => [block.purpose, block] as const))(
    '%s prints what it states',
    async (_, { code }) => {
      const here = code
        .replaceAll('http://localhost:8080', `http://127.0.0.1:${relay.port}`)
        .replaceAll('http://localhost:9090', urlOf(relay.adminPort))
        .replaceAll('sha256-… ', `${relay.pin} `);
      const PATH = [join(ROOT, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
      const { stdout } = await run('bash', ['-euc', here], {
        cwd: ROOT,
        env: { ...process.env, PATH },
        timeout: 60_000,
      });
      let at = 0;
      for (const [, promised = ''] of code.matchAll(/^# prints: (.*)$/gm)) {
        const found = stdout.indexOf(promised, at);
        expect(found, `"${promised}" in ${stdout}`).toBeGreaterThanOrEqual(0);
        at = found + promised.length;
      }
    },
  );
});

describe('symptoms', () => {
  const section = operations.slice(operations.indexOf('\n## Symptoms'), operations.indexOf('\n## Alerts'));
  const entries = section
    .split(/^### /m)
    .slice(1)
    .map((text) => [text.split('\n', 1)[0] as string, text] as const);

  test('there are the three of the reference, and more than ten others', () => {
    const names = entries.map(([name]) => name);
    expect(names.slice(0, 3)).toEqual(['Invalid configuration', 'Relay unreachable', 'Redis connection issues']);
    expect(names.length).toBeGreaterThan(13);
  });

  test.each(entries)('%s: what is seen, why, what to do, and a test that is there', (_, text) => {
    expect([...text.matchAll(/^- \*\*(\w+)\*\*:/gm)].map(([, part]) => part)).toEqual(['Seen', 'Cause', 'Do', 'Test']);
    const tests = text.slice(text.indexOf('- **Test**'));
    const named = [...tests.matchAll(/`((?:[\w-]+\/)*test\/[\w./-]+\.ts)`([^`]*)/g)];
    expect(named.length).toBeGreaterThan(0);
    for (const [, file = '', titles = ''] of named) {
      const source = read(file);
      const quoted = [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title.replaceAll(/\s+/g, ' '));
      expect(quoted.length, file).toBeGreaterThan(0);
      for (const title of quoted) expect(source, file).toContain(title);
    }
  });
});

test('every alert has its section, and no section is of none', () => {
  const section = operations.slice(operations.indexOf('\n## Alerts'), operations.indexOf('\n## Updates'));
  const entries = section
    .split(/^### /m)
    .slice(1)
    .map((text) => text.split('\n'));
  const alerts = [...read('deploy/prometheus/mte-relay-rules.yaml').matchAll(/- alert: (\w+)/g)].map(
    ([, name]) => name,
  );
  expect(entries.map(([name]) => name).sort()).toEqual(alerts.sort());
  for (const [name, ...lines] of entries) expect(lines.join('').length, name).toBeGreaterThan(30);
});

describe.each(DOCUMENTS)('%s', (document) => {
  const text = read(document);

  test('names metrics and log lines as they are', () => {
    const metrics = new Set([...read('docs/metrics.md').matchAll(/^## `(\w+)`/gm)].map(([, name]) => name));
    for (const [name] of text.matchAll(/\bmte_relay_\w+/g)) expect(metrics, name).toContain(name);
    const source = readdirSync(join(ROOT, 'packages/server/src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => read(join('packages/server/src', file)))
      .join('\n');
    for (const [, message = ''] of text.matchAll(/"msg":"([^"]+)"/g)) expect(source).toContain(`'${message}'`);
  });

  test('leads somewhere with every link, and names only files that are there', () => {
    const anchors = (markdown: string): string[] =>
      [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replaceAll(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const [, target = '', anchor] of text.matchAll(/\]\(([^)#\s]*)(?:#([^)]+))?\)/g)) {
      if (target.startsWith('https:')) continue;
      const path = target === '' ? document : join(dirname(document), target);
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      if (anchor) expect(anchors(read(path)), `${path}#${anchor}`).toContain(anchor);
    }
    for (const [, path = ''] of text.matchAll(/`((?:packages|scripts|test|docs|bench)\/[\w./-]+)`/g)) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
    }
  });
});
