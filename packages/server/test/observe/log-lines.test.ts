import { createHash } from 'node:crypto';
import { plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { LogSink } from '../support/admin.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

async function logged(
  options: { level?: string; environment?: Record<string, string>; listener?: Parameters<typeof stage>[0] } = {},
): Promise<{ staged: Stage; sink: LogSink; client: SealedClient }> {
  const sink = new LogSink();
  const log = pino({ level: options.level ?? 'info', base: null }, sink);
  const { environment = {} } = options;
  const staged = await stage(options.listener, { environment, log });
  return { staged, sink, client: await SealedClient.pair(staged.port) };
}

const until = (sink: LogSink, name: string, count = 1): Promise<void> =>
  expect.poll(() => sink.named(name).length).toBe(count);

test('an exchange is one line with its request id, client, session, outcome, times and bytes', async () => {
  const { client, sink } = await logged({
    listener: (_req, res) => setTimeout(() => res.writeHead(201).end('made'), 30),
  });
  const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x'.repeat(100) }));
  const response = await client.post(message);
  await until(sink, 'exchange');
  const [line] = sink.named('exchange');
  expect(line).toMatchObject({
    level: 30,
    request: response.headers['x-request-id'],
    route: 'exchange',
    session: Buffer.from(client.keys.sid).toString('hex', 0, 4),
    status: 201,
    outer: 200,
    complete: true,
    bytesIn: message.length,
    bytesOut: response.body.length,
  });
  const id = Buffer.from(client.parameters.clientId).toString('base64url', 0, 16);
  expect(line?.['client']).toBe(createHash('sha256').update(id).digest('base64url').slice(0, 12));
  const { ms, upstreamMs, decodeMs, encodeMs } = line as Record<string, number>;
  expect(upstreamMs).toBeGreaterThan(25);
  expect(ms).toBeGreaterThanOrEqual(upstreamMs as number);
  expect(decodeMs).toBeGreaterThan(0);
  expect(encodeMs).toBeGreaterThan(0);
  expect((decodeMs as number) + (encodeMs as number)).toBeLessThan(ms as number);
});

test('pairing and exchanges of one session can be joined, and so can two sessions of one client', async () => {
  const { client, sink } = await logged();
  await client.fetch({});
  await client.fetch({});
  await until(sink, 'exchange', 2);
  const [paired] = sink.named('pairing');
  const [first, second] = sink.named('exchange');
  expect(paired?.['session']).toBe(first?.['session']);
  expect(first?.['client']).toBe(second?.['client']);
  expect(first?.['request']).not.toBe(second?.['request']);
});

test('refusals and failures log their code', async () => {
  const { client, sink } = await logged({ listener: (req) => req.socket.destroy() });
  const { message } = await client.seal(plaintextOf({ method: 'POST' }));
  await client.post(message);
  await client.post(message);
  await client.fetch({ path: '/../x' });
  await until(sink, 'exchange', 3);
  expect(sink.named('exchange').map(({ code, status, outer }) => [code, status, outer])).toEqual([
    ['upstream-failed', 502, 200],
    ['replayed', 0, 409],
    ['path-refused', 400, 200],
  ]);
  const [failure] = sink.named('upstream failed');
  expect(failure).toMatchObject({ level: 40, code: 'upstream-failed', fault: { code: 'UND_ERR_SOCKET' } });
  expect(failure?.['request']).toBe(sink.named('exchange')[0]?.['request']);
});

test('a well-formed outer request id is taken over: logged, sent upstream, returned', async () => {
  const { client, sink, staged } = await logged({ environment: { PASS_THROUGH_ROUTES: '/p' } });
  const { outer } = await client.fetch({}, { 'x-request-id': 'ingress-1:a.b/c=' });
  expect(outer.headers['x-request-id']).toBe('ingress-1:a.b/c=');
  const passed = await send(staged.port, '/p', { method: 'GET', headers: { 'x-request-id': 'plain-2' } });
  expect(passed.headers['x-request-id']).toBe('plain-2');
  expect(staged.seen.map(({ headers }) => headers['x-request-id'])).toEqual(['ingress-1:a.b/c=', 'plain-2']);
  await until(sink, 'pass_through');
  expect(sink.named('exchange')[0]?.['request']).toBe('ingress-1:a.b/c=');
  expect(sink.named('pass_through')[0]).toMatchObject({
    request: 'plain-2',
    status: 200,
    bytesOut: expect.any(Number),
  });
});

test.each(['has space', 'quote"', 'ümlaut', '{json}', 'x'.repeat(129), ''])(
  'the id %j is replaced by a random one',
  async (given) => {
    const { client, staged } = await logged({ environment: { PASS_THROUGH_ROUTES: '/p' } });
    const outer = { 'x-request-id': Buffer.from(given).toString('latin1') };
    const ids = [
      (await client.fetch({}, outer)).outer.headers['x-request-id'],
      (await send(staged.port, '/p', { method: 'GET', headers: outer })).headers['x-request-id'],
    ];
    for (const id of ids) expect(id).toMatch(UUID);
    expect(staged.seen.map(({ headers }) => headers['x-request-id'])).toEqual(ids);
  },
);

test('the app’s own request id, inside the seal, reaches the upstream and no log line', async () => {
  const { client, sink, staged } = await logged();
  await client.fetch({ headers: [['x-request-id', 'of-the-app']] });
  await until(sink, 'exchange');
  expect(staged.seen[0]?.rawHeaders.filter((_, at, all) => all[at - 1]?.toLowerCase() === 'x-request-id')).toEqual([
    'of-the-app',
  ]);
  expect(sink.lines.join('')).not.toContain('of-the-app');
});

test('trace logs the steps of an exchange with their sizes, under one request id', async () => {
  const { client, sink } = await logged({ level: 'trace' });
  await client.fetch({ method: 'POST', body: 'x'.repeat(500) });
  await until(sink, 'exchange');
  const { request } = sink.named('exchange')[0] as { request: string };
  const steps = sink.lines
    .map((line) => JSON.parse(line))
    .filter((line) => line.level === 10 && line.request === request);
  expect(steps.map(({ msg }) => msg)).toEqual([
    'header read',
    'session found',
    'chunk opened',
    'claimed',
    'forwarded',
    'response begun',
    'chunk sealed',
  ]);
  expect(steps[2]).toMatchObject({ bytes: expect.any(Number), last: true });
  expect(steps[4]).toMatchObject({ bytes: 500, whole: true });
});

test('the log reports a hook that fails without its message', async () => {
  const sink = new LogSink();
  const staged = await stage(undefined, {
    log: pino({ level: 'trace', base: null }, sink),
    hooks: {
      onRequest({ target }) {
        if (target === '/refused') throw new Error('the-token-itself');
        return undefined;
      },
      onResponse() {
        throw new TypeError('the-answer-itself');
      },
    },
  });
  const client = await SealedClient.pair(staged.port);
  expect((await client.fetch({ path: '/refused' })).head.status).toBe(500);
  expect((await client.fetch({})).head.status).toBe(200);
  await until(sink, 'exchange', 2);
  expect(sink.named('onResponse hook failed')[0]).toMatchObject({ level: 50, fault: { name: 'TypeError' } });
  expect(sink.lines.join('')).not.toMatch(/the-(?:token|answer)-itself/);
});

test.each([
  ['trace', 10],
  ['debug', 20],
  ['info', 30],
  ['warning', 40],
  ['error', 50],
  ['panic', 60],
] as const)('LOG_LEVEL=%s is the least severity that is logged', (level, number) => {
  const log = createLogger(level);
  for (const [name, severity] of Object.entries(log.levels.values)) {
    expect(log.isLevelEnabled(name), name).toBe(severity >= number);
  }
});

test('LOG_LEVEL=off logs nothing', () => {
  const log = createLogger('off');
  for (const name of Object.keys(log.levels.values)) expect(log.isLevelEnabled(name), name).toBe(false);
});
