// Who may use the egress: DNS rebinding and pages of other sites. Each refused request must not reach the API.

import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { contentOf } from '@mte-relay/testing/content';
import { startScript } from '@mte-relay/testing/processes';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { TestRelay } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { call, type Egress, startEgress } from './support/egress.ts';

interface Scene {
  readonly egress: Egress;
  readonly port: string;
  readonly relay: TestRelay;
}

async function scene(args: string[] = [], environment: Record<string, string> = {}): Promise<Scene> {
  const relay = endsWithTest(await TestRelay.start());
  const egress = endsWithTest(await startEgress(['--relay', relay.url, '--pin', relay.pin, ...args], environment));
  return { egress, port: new URL(egress.url).port, relay };
}

/** Status and code of a request with these fields; the API ran it or not. */
async function asked({ egress, relay }: Scene, headers: Record<string, string>, method = 'POST'): Promise<unknown[]> {
  const before = relay.ran.length;
  const { status, body } = await call(egress.url, '/', { method, headers });
  const code = status === 200 ? undefined : (JSON.parse(body.toString()) as { code: string }).code;
  return [status, code, relay.ran.length - before];
}

const RAN = [200, undefined, 1];
const WRONG_HOST = [421, 'host-refused', 0];
const WRONG_ORIGIN = [403, 'origin-refused', 0];

test('the egress responds to its own names with its own port, and to no other Host', async () => {
  const staged = await scene();
  const { port } = staged;
  for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    expect(await asked(staged, { host }), host).toEqual(RAN);
  }
  const foreign = [
    `evil.example:${port}`,
    'evil.example',
    'localhost',
    'localhost:1',
    `localhost.evil.example:${port}`,
  ];
  const odd = [
    `localhost:${port}@evil.example`,
    `127.0.0.2:${port}`,
    `user@localhost:${port}`,
    `localhost.:${port}`,
    'x y',
  ];
  for (const host of [...foreign, ...odd]) {
    expect(await asked(staged, { host }), host).toEqual(WRONG_HOST);
    expect(await asked(staged, { host }, 'GET'), host).toEqual(WRONG_HOST);
  }
});

test('the refusal says what to do, and is the egress’s own', async () => {
  const { egress } = await scene();
  const { headers, body } = await call(egress.url, '/', { headers: { host: 'api:80' } });
  expect(headers['mte-relay-failure']).toBe('host-refused');
  expect(JSON.parse(body.toString())).toMatchObject({
    mayHaveRun: false,
    title: expect.stringContaining('--allow-host'),
  });
});

test('--allow-host adds names, with any port or with one', async () => {
  const staged = await scene([
    '--allow-host',
    'egress.shop.svc',
    '--allow-host',
    'API:8081',
    '--allow-host',
    '[fd00::1]',
  ]);
  for (const host of [
    'egress.shop.svc',
    'egress.shop.svc:99',
    'api:8081',
    '[fd00:0::1]:7',
    `localhost:${staged.port}`,
  ]) {
    expect(await asked(staged, { host }), host).toEqual(RAN);
  }
  for (const host of ['api', 'api:8082', 'shop.svc', 'x.egress.shop.svc']) {
    expect(await asked(staged, { host }), host).toEqual(WRONG_HOST);
  }
});

test('the variables take names and origins too', async () => {
  const staged = await scene([], {
    MTE_RELAY_ALLOW_HOSTS: 'egress, api:80',
    MTE_RELAY_ALLOW_ORIGINS: 'http://localhost:3000,https://app.example',
  });
  expect(await asked(staged, { host: 'egress:8081' })).toEqual(RAN);
  expect(await asked(staged, { host: 'api' })).toEqual(RAN);
  expect(await asked(staged, { origin: 'https://app.example' })).toEqual(RAN);
});

test('an egress that listens on every address responds to the address that a caller used', async () => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((found) => found?.family === 'IPv4' && !found.internal)?.address;
  const staged = await scene(['--listen', '0.0.0.0:0']);
  const url = `http://${address ?? '127.0.0.2'}:${staged.port}`;
  expect((await call(url, '/')).status).toBe(200);
  expect((await call(url, '/', { headers: { host: `10.255.255.1:${staged.port}` } })).status).toBe(421);
});

test.each(['cross-site', 'same-site'])(
  'a request that a page of another origin caused is refused: %s',
  async (site) => {
    const staged = await scene();
    for (const mode of ['no-cors', 'cors', 'navigate', 'websocket']) {
      const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': mode };
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        expect(await asked(staged, headers, method), `${mode} ${method}`).toEqual(WRONG_ORIGIN);
      }
    }
  },
);

test('a request of its own pages, of a person or of a program runs', async () => {
  const staged = await scene();
  expect(await asked(staged, { 'sec-fetch-site': 'none' })).toEqual(RAN);
  expect(await asked(staged, { 'sec-fetch-site': 'same-origin', origin: staged.egress.url })).toEqual(RAN);
  expect(await asked(staged, { origin: staged.egress.url })).toEqual(RAN);
  expect(await asked(staged, {})).toEqual(RAN);
});

test('an Origin that is not its own is refused without Fetch Metadata too', async () => {
  const staged = await scene();
  const { port } = staged;
  const origins = [
    'null',
    'https://evil.example',
    `https://127.0.0.1:${port}`,
    `http://localhost:${port}`,
    'http://127.0.0.1',
  ];
  for (const origin of origins) expect(await asked(staged, { origin }), origin).toEqual(WRONG_ORIGIN);
});

test('--allow-origin lets the pages of one origin in, and no other', async () => {
  const staged = await scene(['--allow-origin', 'http://localhost:3000']);
  const from = (origin: string): Record<string, string> => ({ origin, 'sec-fetch-site': 'same-site' });
  expect(await asked(staged, from('http://localhost:3000'))).toEqual(RAN);
  expect(await asked(staged, from('http://localhost:3001'))).toEqual(WRONG_ORIGIN);
  expect(await asked(staged, { 'sec-fetch-site': 'same-site' })).toEqual(WRONG_ORIGIN);
});

test('a foreign WebSocket handshake is refused as such, and HTTP/1.0 without Host is not a page’s', async () => {
  const { port, relay } = await scene();
  const raw = async (head: string): Promise<string> => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(head);
    return (await contentOf(socket)).toString();
  };
  const upgrade = 'connection: upgrade, close\r\nupgrade: websocket\r\n';
  expect(await raw(`GET / HTTP/1.1\r\nhost: evil.example\r\n${upgrade}\r\n`)).toMatch(/^HTTP\/1\.1 421 /);
  expect(await raw('GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /);
  const foreign = `host: localhost:${port}\r\norigin: https://evil.example\r\n`;
  expect(await raw(`GET / HTTP/1.1\r\n${foreign}${upgrade}\r\n`)).toMatch(/^HTTP\/1\.1 403 /);
  expect(await raw('GET /old HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  expect(relay.ran.map(({ path }) => path)).toEqual(['/old']);
});

test.each([
  ['--allow-host', 'http://api'],
  ['--allow-host', 'api:port'],
  ['--allow-host', 'api:99999'],
  ['--allow-origin', 'http://localhost:3000/'],
  ['--allow-origin', 'null'],
  ['--allow-origin', '*'],
])('%s %s is a usage error', async (option, value) => {
  const started = startScript('packages/cli/bin/mte-relay.js', ['egress', '--relay', 'http://x', option, value], {});
  const running = endsWithTest(started);
  const code = await new Promise((resolve) => running.child.on('exit', resolve));
  expect([code, running.output()]).toEqual([64, expect.stringContaining(`${option.slice(2)} expected`)]);
});
