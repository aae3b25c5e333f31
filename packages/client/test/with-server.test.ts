// The client against the real relay in front of a real backend, both over sockets.
import { contentOf } from '@mte-relay/testing/content';
import { relayTo } from '@mte-relay/testing/relay';
import { sdkClient, sdkStage } from '@mte-relay/testing/sdk-client';
import { urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

test('method, path, fields, body, status and fields of the response go through', async () => {
  const { client } = await sdkStage((request, response) => {
    void contentOf(request).then((body) => {
      response.writeHead(201, {
        'x-method': request.method,
        'x-path': request.url,
        'x-got': request.headers['x-sent'],
      });
      response.end(body);
    });
  });
  const response = await client.fetch('/a/b?c=%20d', { method: 'PATCH', body: 'grüße', headers: { 'x-sent': '1' } });
  expect(response.status).toBe(201);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'x-method': 'PATCH',
    'x-path': '/a/b?c=%20d',
    'x-got': '1',
  });
  expect(await response.text()).toBe('grüße');
});

test('20 MB go up and come down byte-equal, with progress', async () => {
  const data = new Uint8Array(20_000_000).map((_, i) => (i * 31) % 256);
  const { client } = await sdkStage((request, response) => {
    response.writeHead(200, { 'content-length': request.headers['content-length'] ?? data.length });
    request.pipe(response);
  });
  let sent = 0;
  let received = 0;
  const response = await client.fetch('/', {
    method: 'PUT',
    body: new Blob([data]),
    onUploadProgress: ({ loadedBytes }) => {
      sent = loadedBytes;
    },
    onDownloadProgress: ({ loadedBytes }) => {
      received = loadedBytes;
    },
  });
  expect(Buffer.from(await response.arrayBuffer()).equals(data)).toBe(true);
  expect([sent, received]).toEqual([data.length, data.length]);
});

test('cookies and redirects go through inside the seal', async () => {
  const { client } = await sdkStage((request, response) => {
    if (request.url === '/login') {
      response.writeHead(302, { 'set-cookie': ['a=1; HttpOnly', 'b=2'], location: '/home' });
      response.end();
    } else {
      response.writeHead(200, { 'x-cookie': request.headers.cookie ?? 'none' });
      response.end('home');
    }
  });
  const login = await client.fetch('/login', { redirect: 'manual' });
  expect(login.headers.getSetCookie()).toEqual(['a=1; HttpOnly', 'b=2']);
  const home = await client.fetch('/login', { headers: { cookie: 'a=1' } });
  expect(home.redirected).toBe(true);
  expect(home.headers.get('x-cookie')).toBe('a=1');
});

test('events arrive as they are flushed, and abort reaches the backend', async () => {
  let closed = false;
  const { client } = await sdkStage((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
    response.on('close', () => {
      closed = true;
    });
  });
  const controller = new AbortController();
  const response = await client.fetch('/events', { signal: controller.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe('data: 1\n\n');
  controller.abort();
  await expect(reader?.read()).rejects.toMatchObject({ name: 'AbortError' });
  await expect.poll(() => closed).toBe(true);
});

test('a restarted relay heals on the next call, and a POST runs once', async () => {
  const ran: string[] = [];
  const alone = { SOLE_INSTANCE: 'true' };
  const { client, relay, port, upstreamUrl } = await sdkStage(
    (request, response) => {
      ran.push(`${request.method} ${request.url}`);
      response.end('ok');
    },
    { environment: alone },
  );
  await (await client.fetch('/before')).text();
  await relay.close();
  await endsWithTest(relayTo(upstreamUrl, alone)).listen(port);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await client.fetch('/pay', { method: 'POST', body: 'x' })).status).toBe(200);
  expect(ran).toEqual(['GET /before', 'POST /pay']);
});

test('an unreachable backend is a sealed 502 that names the failure', async () => {
  const relay = endsWithTest(relayTo('http://127.0.0.1:1'));
  const client = sdkClient({ url: urlOf(await relay.listen(0)), pin: relay.pin });
  const response = await client.fetch('/', { method: 'POST' });
  expect(response.status).toBe(502);
  expect(response.headers.get('mte-relay-failure')).toBe('upstream-unreachable');
});

test.each(['GET', 'DELETE'])(
  'a %s whose head is longer than a chunk reaches the relay, which decides on it',
  async (method) => {
    const { client, seen } = await sdkStage();
    const response = await client.fetch('/', { method, headers: { 'x-long': 'x'.repeat(66_000) } });
    expect([response.status, response.headers.get('mte-relay-failure')]).toEqual([413, 'request-too-large']);
    expect(seen).toEqual([]);
  },
);
