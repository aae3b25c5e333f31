// The scripts that the relay serves to web pages: exactly these paths, the same bytes in each coding, and their hashes.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRelay } from '@mte-relay/server';
import { runRelayCommand, startRelay } from '@mte-relay/testing/relay-process';
import { send } from '@mte-relay/testing/sealed-client';
import { requiredSettings } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

const CLIENTS = ['/public/mte-relay-client.js', '/public/mte-relay-client.mjs'];
const INSTALLERS = ['/public/mte-relay-install.js', '/public/mte-relay-install.mjs'];
const PATHS = [...CLIENTS, ...INSTALLERS];
const WORKER = '/public/mte-relay-sw.js';
const built = (path: string): Buffer => readFileSync(join(import.meta.dirname, '../..', path));
const sha384 = (bytes: Uint8Array): string => `sha384-${createHash('sha384').update(bytes).digest('base64')}`;
const PLAIN = { method: 'GET', headers: { 'accept-encoding': 'identity' } };

test.each(PATHS)('the relay serves %s as it was built, to any page, and responds to HEAD alike', async (path) => {
  const { port, seen } = await stage();
  const response = await send(port, path, PLAIN);
  expect(response.status).toBe(200);
  expect(Buffer.from(response.body).equals(built(path))).toBe(true);
  expect(response.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': '*',
    vary: 'Accept-Encoding',
    'content-length': String(response.body.length),
  });
  expect(response.headers).not.toHaveProperty('access-control-allow-credentials');
  const head = await send(port, path, { ...PLAIN, method: 'HEAD' });
  expect(head.body).toHaveLength(0);
  expect({ ...head.headers, date: '' }).toEqual({ ...response.headers, date: '' });
  expect(seen).toHaveLength(0);
});

test('the relay serves the notices of bundled code beside the scripts, where each script with such code refers to them', async () => {
  const { port } = await stage();
  const path = '/public/mte-relay-licenses.txt';
  const { status, headers, body } = await send(port, path, PLAIN);
  expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: 'text/plain; charset=utf-8' });
  for (const name of ['curves', 'hashes', 'post-quantum'])
    expect(String(Buffer.from(body))).toContain(`@noble/${name}`);
  expect(String(Buffer.from(body)).match(/The above copyright notice and this permission notice/g)).toHaveLength(3);
  for (const script of [...CLIENTS, WORKER])
    expect(String(built(script)).split('\n')[0]).toContain('mte-relay-licenses.txt');
  // These have no such code, nor any cryptography that would need it.
  for (const script of INSTALLERS) expect(String(built(script))).not.toMatch(/noble|subtle|X25519|ML-KEM|AES/);
});

test.each([
  ['gzip, deflate, br', true],
  ['br, *', true],
  ['GZIP;q=0.5', true],
  ['gzip;q=0, *', false],
  ['gzip; q=0.0', false],
  ['br', false],
  ['', false],
])('accept-encoding "%s" gets gzip: %s', async (coding, gzip) => {
  const { port } = await stage();
  const [path = ''] = PATHS;
  const response = await send(port, path, { method: 'GET', headers: { 'accept-encoding': coding } });
  expect(response.headers['content-encoding']).toBe(gzip ? 'gzip' : undefined);
  const body = gzip ? gunzipSync(response.body) : Buffer.from(response.body);
  expect(body.equals(built(path))).toBe(true);
});

test('the relay does not resend an unchanged file, and each coding has its own tag', async () => {
  const { port } = await stage();
  const [path = ''] = PATHS;
  const tags = new Set<string>();
  for (const coding of ['gzip', 'identity']) {
    const headers = { 'accept-encoding': coding };
    const { etag = '' } = (await send(port, path, { method: 'GET', headers })).headers;
    tags.add(etag);
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await send(port, path, { method: 'GET', headers: { ...headers, 'if-none-match': tag } });
      expect(again).toMatchObject({ status: 304, headers: { etag, vary: 'Accept-Encoding' } });
      expect(again.body).toHaveLength(0);
    }
    const other = await send(port, path, { method: 'GET', headers: { ...headers, 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  }
  expect(tags.size).toBe(2);
});

test('without WORKER_ROUTES the relay serves no service worker', async () => {
  const { port } = await stage();
  expect(await send(port, WORKER, PLAIN)).toMatchObject({ status: 404, code: 'not-found' });
});

test('with WORKER_ROUTES it serves the worker with its own pins and those routes, whatever the query', async () => {
  const { port, pin } = await stage(undefined, { environment: { WORKER_ROUTES: '/api/v1/*,/login' } });
  const line = `self.mteRelayWorker={"relay":"self","pins":["${pin}"],"routes":["/api/v1/*","/login"]};\n`;
  const whole = Buffer.concat([Buffer.from(line), built(WORKER)]);
  for (const query of ['', '?relay=https%3A%2F%2Fevil.example&pin=x&route=%2F*']) {
    for (const coding of ['identity', 'gzip']) {
      const { status, headers, body } = await send(port, WORKER + query, {
        method: 'GET',
        headers: { 'accept-encoding': coding },
      });
      expect(status).toBe(200);
      expect((coding === 'gzip' ? gunzipSync(body) : Buffer.from(body)).equals(whole)).toBe(true);
      expect(headers['etag']).toContain(sha384(whole).slice('sha384-'.length));
    }
  }
});

test('each domain has a worker of its own, or none', async () => {
  const domain = (name: string, own: object = {}) => ({
    [`${name}.example`]: {
      upstream: 'http://127.0.0.1:9',
      cors_origins: [`https://${name}.example`],
      client_id_secret: name.repeat(32),
      ...own,
    },
  });
  const DOMAIN_MAP = JSON.stringify({
    ...domain('a', { worker_routes: ['/a/*'] }),
    ...domain('b', { worker_routes: ['/b/*'] }),
    ...domain('c'),
  });
  const relay = endsWithTest(createRelay({ environment: { DOMAIN_MAP, LOG_LEVEL: 'off', ADMIN_PORT: 'off' } }));
  const port = await relay.listen(0);
  const from = (host: string) => send(port, WORKER, { method: 'GET', headers: { ...PLAIN.headers, host } });
  const lines = await Promise.all(
    ['a.example', 'b.example'].map(async (host) => String(Buffer.from((await from(host)).body)).split('\n')[0]),
  );
  expect(lines).toEqual(
    ['a', 'b'].map(
      (name) =>
        `self.mteRelayWorker={"relay":"self","pins":["${relay.pins.get(`${name}.example`)}"],"routes":["/${name}/*"]};`,
    ),
  );
  expect((await from('c.example')).status).toBe(404);
});

test('the worker alone may control the whole site, and caches revalidate it each time', async () => {
  const { port } = await stage(undefined, { environment: { WORKER_ROUTES: '/*' } });
  for (const path of [...PATHS, WORKER]) {
    const { headers } = await send(port, path, PLAIN);
    const isWorker = path === WORKER;
    expect(headers['service-worker-allowed']).toBe(isWorker ? '/' : undefined);
    expect(headers['cache-control']).toBe(`public, ${isWorker ? 'no-cache' : 'max-age=300'}, no-transform`);
  }
});

test.each(PATHS)('%s takes GET and HEAD alone', async (path) => {
  const { port } = await stage();
  const response = await send(port, path, { method: 'POST' });
  expect(response).toMatchObject({ status: 405, code: 'method-not-allowed', headers: { allow: 'GET, HEAD' } });
});

test('every other path under /public is the upstream’s', async () => {
  const { port, seen } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/public/*' } });
  for (const path of [
    '/public/',
    '/public/own.js',
    '/public/mte-relay-client.js.map',
    '/public/mte-relay-client.js/',
  ]) {
    expect((await send(port, path, PLAIN)).status).toBe(200);
  }
  expect(seen.map(({ url }) => url)).toHaveLength(4);
  const without = await stage();
  expect(await send(without.port, '/public/own.js', PLAIN)).toMatchObject({ status: 404, code: 'not-found' });
});

test('PUBLIC_FILES=off: those paths are the upstream’s too', async () => {
  const off = { PUBLIC_FILES: 'off', PASS_THROUGH_ROUTES: '/public/*' };
  const { port, seen, relay } = await stage(undefined, { environment: off });
  for (const path of PATHS) expect((await send(port, path, PLAIN)).status).toBe(200);
  expect(seen.map(({ url }) => url)).toEqual(PATHS);
  expect(relay.integrity).toEqual({});
});

test('the command prints the hashes, and the relay logs them as it listens', async () => {
  const expected = Object.fromEntries(PATHS.map((path) => [path, sha384(built(path))]));
  const { code, stdout } = await runRelayCommand(['integrity']);
  expect(code).toBe(0);
  expect(
    Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    ),
  ).toEqual(expected);
  const relay = endsWithTest(await startRelay({ ...requiredSettings('http://127.0.0.1:9'), ADMIN_PORT: 'off' }));
  const line = relay.lines().find(({ msg }) => msg === 'relay is listening');
  expect(line?.['integrity']).toEqual(expected);
});
