// The egress from start to stop: pairing, relays that are wrong, unreachable, restarted or hostile, and the way out.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { Backend } from '@mte-relay/testing/backend';
import { contentOf } from '@mte-relay/testing/content';
import { freePort } from '@mte-relay/testing/free-port';
import { inPieces, never } from '@mte-relay/testing/pieces';
import { printed, type RunningProcess, startScript } from '@mte-relay/testing/processes';
import { relayProcessTo } from '@mte-relay/testing/relay-process';
import { urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { TestRelay } from '@mte-relay/testing/test-relay';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { call, spawnEgress, startEgress } from './support/egress.ts';

const WRONG_PIN = `sha256-${Buffer.alloc(32).toString('base64')}`;

const backend = new Backend();

beforeAll(() => backend.start());
afterAll(() => backend.stop());
beforeEach(() => {
  backend.handler = (req, res) => req.resume().on('end', () => res.end(`at ${req.url}`));
});

async function exitCode({ child }: RunningProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, 'exit');
  return child.exitCode;
}

async function testRelay(): Promise<TestRelay> {
  return endsWithTest(await TestRelay.start());
}

async function egressTo(relay: TestRelay, ...more: string[]): Promise<string> {
  return endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin, ...more])).url;
}

const listeningAt = async (egress: RunningProcess): Promise<string> =>
  (await printed(egress, /"url":"([^"]+)"/))[1] as string;

test('a wrong pin is exit code 60, and the egress never reports ready', async () => {
  const relay = await testRelay();
  const egress = endsWithTest(spawnEgress(['--relay', relay.url, '--pin', WRONG_PIN]));
  expect(await exitCode(egress)).toBe(60);
  expect(egress.output()).toContain(`shows key ${relay.pin}, pinned: ${WRONG_PIN}`);
  expect(egress.output()).not.toMatch(/^ready/m);
});

test('a reader of its log that exits does not end the egress', async () => {
  const relay = await testRelay();
  const egress = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin]));
  const { url } = egress;
  egress.child.stderr?.destroy();
  egress.child.stdout?.destroy();
  // Each logs a line; the egress learns after the first that it has no reader.
  for (let i = 0; i < 5; i += 1) expect((await call(url, `/${i}`)).status).toBeLessThan(500);
  egress.child.kill('SIGTERM');
  expect(await exitCode(egress)).toBe(0);
});

test('while the relay is down callers get 503 and that nothing ran; the egress reports ready when it comes up', async () => {
  const port = await freePort();
  const first = await relayProcessTo(backend.url);
  await first.stop('SIGKILL');
  const egress = endsWithTest(spawnEgress(['--relay', urlOf(port), '--pin', first.pin]));
  const url = await listeningAt(egress);
  const response = await call(url, '/early', { method: 'POST' });
  expect(response).toMatchObject({ status: 503, headers: { 'content-type': 'application/problem+json' } });
  expect(response.headers['retry-after']).toMatch(/^\d+$/);
  expect(JSON.parse(response.body.toString())).toMatchObject({ status: 503, code: 'unreachable', mayHaveRun: false });
  expect(egress.output()).toContain('ECONNREFUSED');
  expect(egress.output()).not.toMatch(/^ready/m);

  await relayProcessTo(backend.url, { PORT: String(port) });
  await printed(egress, new RegExp(`^ready ${url}$`, 'm'));
  expect((await call(url, '/later', { method: 'POST' })).body.toString()).toBe('at /later');
  expect(backend.ran).not.toContain('POST /early');
});

test('the egress pairs again with a restarted relay, and nothing runs twice', async () => {
  const alone = { SOLE_INSTANCE: 'true' };
  const relay = await relayProcessTo(backend.url, alone);
  const egress = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin]));
  const before = backend.ran.length;
  await call(egress.url, '/one', { method: 'POST' }, 'x');
  await relay.stop('SIGKILL');
  const down = await call(egress.url, '/down', { method: 'POST' }, 'x');
  expect(down.status).toBeGreaterThanOrEqual(502);
  await relayProcessTo(backend.url, { ...alone, PORT: String(relay.port) });
  const healed = await call(egress.url, '/two', { method: 'POST' }, 'x');
  expect(healed).toMatchObject({ status: 200, body: Buffer.from('at /two') });
  expect(backend.ran.slice(before)).toEqual(['POST /one', 'POST /two']);
});

test("inside the seal the request names the relay's authority, and nothing names the egress", async () => {
  const relay = await testRelay();
  const url = await egressTo(relay, '--allow-host', 'caller.example');
  await call(url, '/', { headers: { host: 'caller.example', te: 'trailers', 'x-kept': '1' } });
  expect(relay.ran[0]).toMatchObject({ authority: new URL(relay.url).host, headers: [['x-kept', '1']] });
});

test('a swallowed POST is 502 and may have run; the egress does not resend it', async () => {
  const relay = await testRelay();
  relay.intermediary = async (outer) => {
    const response = await outer.forward();
    if (!outer.header) return response;
    return outer.header.type === 1 ? undefined : response;
  };
  const response = await call(await egressTo(relay), '/pay', { method: 'POST', headers: { 'content-length': 1 } }, 'x');
  expect(response).toMatchObject({ status: 502, headers: { 'mte-relay-failure': 'may-have-run' } });
  expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'may-have-run', mayHaveRun: true });
  expect(relay.ran.length).toBe(1);
});

test('a relay that refuses for want of room is 503 with its Retry-After', async () => {
  const relay = await testRelay();
  const url = await egressTo(relay);
  relay.intermediary = async () => ({ status: 503, headers: { 'retry-after': '77' }, body: new Uint8Array(0) });
  const response = await call(url, '/');
  expect(response).toMatchObject({
    status: 503,
    headers: { 'retry-after': '77', 'mte-relay-failure': 'relay-refused' },
  });
  expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'relay-refused', outerStatus: 503 });
});

test.each([
  ['without a length', undefined],
  ['with one', [['content-length', '1000']] as const],
])('a response cut between relay and egress is cut for the caller: %s', async (_, headers) => {
  const relay = await testRelay();
  relay.upstream = () => ({ content: inPieces([new Uint8Array(1000)]), ...(headers && { headers }) });
  relay.intermediary = async (outer) => {
    const response = await outer.forward();
    return outer.header ? { ...response, cutAtBytes: 500 } : response;
  };
  await expect(call(await egressTo(relay), '/')).rejects.toThrow(/aborted/);
});

test('a key that changes after ready is 502 pin-mismatch, and the egress goes on', async () => {
  const relay = await testRelay();
  const url = await egressTo(relay);
  await relay.useKey(2);
  relay.forgetSessions();
  const response = await call(url, '/');
  expect(response).toMatchObject({ status: 502, headers: { 'mte-relay-failure': 'pin-mismatch' } });
  await relay.useKey(1);
  expect((await call(url, '/')).status).toBe(200);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s lets what is in progress finish, and ends with 0', async (signal) => {
  const relay = await testRelay();
  let finish: () => void = () => undefined;
  const hold = new Promise<void>((resolve) => {
    finish = resolve;
  });
  relay.upstream = () => ({ content: inPieces([Buffer.from('begun, and finished')], hold) });
  const egress = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin]));
  const { url } = egress;
  const idle = connect(Number(new URL(url).port), '127.0.0.1');
  const running = call(url, '/');
  await until(() => relay.ran.length === 1);
  egress.child.kill(signal);
  await printed(egress, /"msg":"stopping"/);
  await expect(call(url, '/late')).rejects.toThrow(/ECONNREFUSED|socket hang up|ECONNRESET/);
  finish();
  expect((await running).body.toString()).toBe('begun, and finished');
  const startedMs = performance.now();
  expect(await exitCode(egress)).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  idle.destroy();
});

test('the egress cuts off after 10 s a request that does not finish', async () => {
  const relay = await testRelay();
  relay.upstream = () => ({ content: inPieces([Buffer.from('begun')], never()) });
  const egress = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin]));
  const { url } = egress;
  const req = request(`${url}/events`).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const reading = contentOf(res);
  reading.catch(() => undefined);
  const startedMs = performance.now();
  egress.child.kill('SIGTERM');
  expect(await exitCode(egress)).toBe(0);
  expect(performance.now() - startedMs).toBeGreaterThan(9_000);
  await expect(reading).rejects.toThrow(/aborted/);
});

test('an egress that listens where others can reach it warns', async () => {
  const relay = await testRelay();
  const egress = endsWithTest(
    startScript('packages/cli/bin/mte-relay.js', ['egress'], {
      MTE_RELAY_URL: relay.url,
      MTE_RELAY_PINS: relay.pin,
      MTE_RELAY_LISTEN: '0.0.0.0:0',
      MTE_RELAY_LOG_LEVEL: 'warning',
    }),
  );
  await printed(egress, /^ready http:\/\/0\.0\.0\.0:\d+$/m);
  expect(egress.output()).toContain('other machines can reach this port');
});

test('an address that is taken ends it with the reason', async () => {
  const relay = await testRelay();
  const taken = new URL(backend.url).host;
  const egress = endsWithTest(
    startScript('packages/cli/bin/mte-relay.js', ['egress', '--relay', relay.url, '--listen', taken], {}),
  );
  expect(await exitCode(egress)).toBe(1);
  expect(egress.output()).toContain(`EADDRINUSE: address already in use ${taken}`);
});

test.each([
  [[], '--relay is missing'],
  [['--relay', 'nonsense'], 'relay URL expected'],
  [['--relay', 'http://a/path'], 'relay URL expected'],
  [['--relay', 'http://a', '--pin', 'x'], 'pin expected'],
  [['--relay', 'http://a', '--listen', '8081'], 'listen expected HOST:PORT'],
  [['--relay', 'http://a', '--listen', 'a:70000'], 'listen expected HOST:PORT'],
  [['--relay', 'http://a', '--max-concurrent', '0'], 'max-concurrent expected'],
  [['--relay', 'http://a', '--log-level', 'loud'], 'log-level expected one of'],
  [['--relay', 'http://a', '--nope'], '--nope'],
])('wrong usage %j is exit code 64 and shows the options', async (args, said) => {
  const egress = endsWithTest(startScript('packages/cli/bin/mte-relay.js', ['egress', ...args], {}));
  expect(await exitCode(egress)).toBe(64);
  await until(() => egress.output().includes('MTE_RELAY_LISTEN'));
  expect(egress.output()).toContain(said);
});
