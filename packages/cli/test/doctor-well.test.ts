// `mte-relay doctor` before deployments that are well: it reports so, and leaves nothing behind at the upstream.
import { REDIS_SERVER, startRedis } from '@mte-relay/testing/redis';
import { relayProcessTo } from '@mte-relay/testing/relay-process';
import { TEST_ORIGIN, TEST_SECRET } from '@mte-relay/testing/settings';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';
import { doctorOptions } from '../src/doctor/options.ts';
import { balanceConnections, examine, finding, runDoctor, useRelay } from './support/doctor.ts';

const relay = useRelay();
const { backend } = relay;

test('a deployment that is well gets 0, every check made, and one request upstream', async () => {
  const { exitCode, checks, found } = await examine(
    relay.url,
    '--pin',
    relay.pin,
    '--origin',
    TEST_ORIGIN,
    '--path',
    '/health',
  );
  expect(checks('failed', 'warning')).toEqual([]);
  expect(checks('skipped')).toEqual(['certificate', 'admin port', 'response stream']);
  expect(checks('ok').length).toBeGreaterThan(15);
  expect(exitCode).toBe(0);
  expect(backend.ran).toEqual(['HEAD /health']);
  expect(found['uploads']?.facts).toEqual({ passedBytes: 10_000_000 });
  expect(found['time']?.facts).toMatchObject({ calls: 20, sealedMs: expect.any(Number) });
});

test('unless it is asked to, it sends nothing upstream', async () => {
  const { exitCode, checks } = await examine(relay.url, '--pin', relay.pin);
  expect(exitCode).toBe(0);
  expect(checks('skipped')).toContain('upstream');
  expect(backend.ran).toEqual([]);
});

test('without a pin it names the key that it saw, warns, and ends with 2', async () => {
  const { exitCode, output } = await runDoctor(relay.url);
  expect(exitCode).toBe(2);
  expect(output).toContain(`! pin             none given; the relay shows ${relay.pin}`);
  expect(output).toMatch(/✓ sealed call +the relay opened, refused and sealed OPTIONS \*/);
  expect(output).toMatch(/^\d+ ok, 1 warnings, 0 failed, \d+ skipped$/m);
});

test('a path and a stream that it is given are never on the wire in clear', async () => {
  const tap = endsWithTest(await new TcpForwarder(() => relay.port, { keeps: true }).start());
  backend.handler = (req, res) => {
    if (req.url !== '/walnut') {
      res.end();
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hazelnut\n\n');
    setTimeout(() => res.end('data: last\n\n'), 200);
  };
  const { exitCode, found } = await examine(tap.url, '--pin', relay.pin, '--path', '/medlar', '--stream', '/walnut');
  expect(found['response stream']).toEqual(finding('ok', /first piece arrived after .* before the stream ended/));
  expect(exitCode).toBe(0);
  expect(backend.ran).toEqual(['HEAD /medlar', 'GET /walnut']);
  const wire = tap.crossed.toString('latin1');
  expect(wire).toContain('POST /api/mte HTTP/1.1');
  for (const word of ['medlar', 'walnut', 'hazelnut']) expect(wire).not.toContain(word);
});

test('while a key is rotated it names the one of the two that the pin is', async () => {
  const old = relay.pin;
  const newSecret = 'elKJL0CKrkehO8cifDktdF92DkV4DDab';
  const rotating = await relayProcessTo(backend.url, { CLIENT_ID_SECRET: `${newSecret},${TEST_SECRET}` });
  expect(rotating.pin).not.toBe(old);
  const withOld = await examine(rotating.url, '--pin', old);
  expect(withOld.found['pin']).toEqual(finding('warning', /older key/, /newest pin too/));
  expect(withOld.found['pin']?.saw).toContain(rotating.pin);
  expect(withOld.exitCode).toBe(2);
  const withNew = await examine(rotating.url, '--pin', rotating.pin);
  expect(withNew.found['pin']).toEqual(finding('ok', /newest key; the relay also still holds/));
  const withBoth = await examine(rotating.url, '--pin', old, '--pin', rotating.pin);
  expect(withBoth.found['pin']).toEqual(finding('ok', /both keys/));
});

test.skipIf(!REDIS_SERVER)('two pods that share a store both know the session, and both refuse a replay', async () => {
  const redis = endsWithTest(await startRedis());
  const pods = [
    await relayProcessTo(backend.url, { REDIS_URL: redis.url }),
    await relayProcessTo(backend.url, { REDIS_URL: redis.url }),
  ];
  const balancer = await balanceConnections(pods);
  const { found, checks } = await examine(balancer.url, '--pin', relay.pin, '--calls', '4');
  expect(checks('failed', 'warning')).toEqual([]);
  expect(found['pods']).toEqual(finding('ok', /12 of 12/));
  expect(found['replay']).toEqual(finding('ok', /4 of 4/));
  expect(Math.min(...balancer.counts)).toBeGreaterThan(8);
});

test.each([
  [[], 'URL is missing'],
  [['nonsense'], 'relay URL expected'],
  [['http://a/path'], 'relay URL expected'],
  [['http://a', 'http://b'], 'one URL expected'],
  [['http://a', '--pin', 'x'], 'pin expected'],
  [['http://a', '--path', 'health'], 'path expected'],
  [['http://a', '--method', 'POST'], 'method expected one of'],
  [['http://a', '--origin', 'https://app.example/'], 'origin expected'],
  [['http://a', '--timeout', '0'], 'timeout expected 1 to 600'],
  [['http://a', '--nope'], '--nope'],
])('wrong usage %j is reported', (args, said) => {
  expect(() => doctorOptions(args)).toThrow(said);
});

test('wrong usage is exit code 64 and shows the options', async () => {
  const { exitCode, output } = await runDoctor('http://a', '--ca', '/nowhere.pem');
  expect(exitCode).toBe(64);
  expect(output).toContain('ca: ENOENT');
  expect(output).toContain('--upload-mb');
});
