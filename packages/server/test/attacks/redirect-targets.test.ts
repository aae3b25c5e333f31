// URLs of the upstream's own host in its responses, behind which another host's name stands: without the upstream's origin or
// base path the rest must not become a network-path reference, `//host/…` (RFC 3986 §4.2).
import { createServer } from 'node:net';
import { CHROMIUM, openBrowser } from '@mte-relay/testing/chromium';
import { NGINX, startNginx } from '@mte-relay/testing/nginx';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';

/** Values, where UPSTREAM stands for the upstream's authority and EVIL for another one. */
const OWN_VALUES = [
  'http://UPSTREAM/base//EVIL/x',
  'http://UPSTREAM/base/\\EVIL/x',
  'http://UPSTREAM/base/\t/EVIL/x',
  'http://UPSTREAM//EVIL/x',
  'http://UPSTREAM/\\EVIL/x',
  'http://UPSTREAM\\\\EVIL/x',
  'http://UPSTREAM/.//EVIL/x',
  'http://UPSTREAM/a/..//EVIL/x',
  'http://UPSTREAM/%2e//EVIL/x',
  'http://UPSTREAM/base/.//EVIL/x',
  'http://UPSTREAM/base/a/..//EVIL/x',
  'HTTP://UPSTREAM////EVIL/x',
  'http:\\\\UPSTREAM//EVIL/x',
  '//UPSTREAM//EVIL/x',
  '//UPSTREAM/base//EVIL/x',
  '/base//EVIL/x',
  '/base///EVIL/x',
  '/base/\\EVIL/x',
  '/base/\\\\EVIL/x',
  '/base/\t/EVIL/x',
  '/base/\t\\EVIL/x',
  '/base/.//EVIL/x',
  '/base/..//EVIL/x',
  '/base/a/..//EVIL/x',
  '/base/%2e%2e//EVIL/x',
];

/** Values whose host is another one for the upstream's own clients too: they pass as they are. */
const FOREIGN_VALUES = ['http://EVIL/x', '//EVIL/x', '/\\EVIL/x', '\\\\EVIL/x', '/\t/EVIL/x', 'https:EVIL'];

/** Values that name a path of the relay. */
const TRANSLATED = [
  ['http://UPSTREAM/base/there?x=1#y', '/there?x=1#y'],
  ['http://UPSTREAM/base', '/'],
  ['http://UPSTREAM/base?x', '/?x'],
  ['/base?x', '/?x'],
  ['/base#x', '/#x'],
  ['/based', '/based'],
  ['/base/there', '/there'],
  ['there', 'there'],
  ['../there', '../there'],
] as const;

/** A relay in front of an upstream whose response has the header `name` with the value that the request names. */
async function redirecting(name: string, basePath: string, evil = 'evil.example'): Promise<Stage> {
  return stage(
    (req, res) => {
      const value = new URL(`http://a${req.url}`).searchParams.get('value') ?? '';
      res.setHeader(name, value.replace('UPSTREAM', req.headers.host as string).replace('EVIL', evil));
      res.writeHead(302).end();
    },
    { environment: { PASS_THROUGH_ROUTES: '/pub/*' }, basePath },
  );
}

const asking = (value: string): string => `/pub/go?value=${encodeURIComponent(value)}`;

describe.each(['location', 'content-location', 'refresh'])('%s', (name) => {
  const framed = (value: string): string => (name === 'refresh' ? `0; url=${value}` : value);
  const bare = (value: string | undefined): string => (value ?? '').replace(/^0; url=/, '');

  test.each(['', '/base'])('never leads from the host of the relay, base path "%s"', async (basePath) => {
    const { port } = await redirecting(name, basePath);
    const client = await SealedClient.pair(port);
    for (const value of OWN_VALUES) {
      if (basePath === '' && !/^(?:http:)?[/\\]{2}/i.test(value)) continue; // nothing is taken from such a path
      const sealed = bare((await client.fetch({ path: asking(framed(value)) })).header(name));
      const plain = await send(port, asking(framed(value)), { method: 'GET' });
      for (const seen of [sealed, bare(plain.headers[name] as string)]) {
        expect.soft(new URL(seen, 'http://relay.example/pub/go').host, `${value} became ${seen}`).toBe('relay.example');
        expect.soft(seen, value).toMatch(/^\/(?![/\\])/);
      }
    }
  });

  test('leads to another host where the upstream itself does', async () => {
    const { port } = await redirecting(name, '/base');
    const client = await SealedClient.pair(port);
    for (const value of FOREIGN_VALUES) {
      const expected = value.replace('EVIL', 'evil.example');
      expect.soft(bare((await client.fetch({ path: asking(framed(value)) })).header(name)), value).toBe(expected);
    }
  });

  test.each(TRANSLATED)('%s becomes %s', async (value, expected) => {
    const { port } = await redirecting(name, '/base');
    const client = await SealedClient.pair(port);
    expect(bare((await client.fetch({ path: asking(framed(value)) })).header(name))).toBe(expected);
  });
});

test.each([
  ['5', '5'],
  ['5; url="http://UPSTREAM/base/x"', '5; url="/x"'],
  ["0;URL='http://UPSTREAM/base//evil.example/'; more", "0;URL='/.//evil.example/'; more"],
  ['0,http://UPSTREAM/base/x', '0,/x'],
  ['0 url = /base/x', '0 url = /x'],
])('Refresh: %s becomes %s', async (value, expected) => {
  const { port } = await redirecting('refresh', '/base');
  const client = await SealedClient.pair(port);
  expect((await client.fetch({ path: asking(value) })).header('refresh')).toBe(expected);
});

test.skipIf(!NGINX)('names the same target as nginx does', async () => {
  const { port, upstreamUrl } = await redirecting('location', '/base');
  const nginx = await startNginx(`${upstreamUrl}/base/`, 'location / { proxy_pass $relay; }');
  for (const value of ['http://UPSTREAM/base//EVIL/x', 'http://UPSTREAM/base/there?x=1', 'http://EVIL/x']) {
    const targets = await Promise.all(
      [port, Number(new URL(nginx).port)].map(async (at) => {
        const { headers } = await send(at, asking(value), { method: 'GET' });
        const { host, href } = new URL(headers.location as string, `http://127.0.0.1:${at}/pub/go`);
        return href.replace(`127.0.0.1:${at}`, 'proxy').replace(host, host === `127.0.0.1:${at}` ? 'proxy' : host);
      }),
    );
    expect(targets[0], value).toBe(targets[1]);
  }
});

test.skipIf(!CHROMIUM)(
  'a browser never leaves the host of the relay',
  async () => {
    let arrived = 0;
    const evil = createServer((socket) => {
      arrived += 1;
      socket.destroy();
    });
    endsWithTest(evil);
    const { url } = await redirecting('location', '/base', `127.0.0.1:${await listen(evil)}`);
    const { page } = endsWithTest(await openBrowser(CHROMIUM as string));
    for (const value of OWN_VALUES) {
      await page.goto(url + asking(value)).catch(() => undefined); // most targets are refused
      expect.soft(arrived, value).toBe(0);
      arrived = 0;
    }
    await page.goto(url + asking('http://EVIL/x')).catch(() => undefined);
    expect(arrived).toBeGreaterThan(0);
  },
  60_000,
);
