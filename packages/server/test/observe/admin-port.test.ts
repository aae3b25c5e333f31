import { createServer } from 'node:net';
import { MemorySessionStore } from '@mte-relay/server';
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { listen } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { adminGet } from '../support/admin.ts';

const ADMIN = { environment: { ADMIN_PORT: '0' } };

test('a relay that listens is alive and ready', async () => {
  const staged = await stage(undefined, ADMIN);
  expect(await adminGet(staged, '/livez')).toMatchObject({ status: 200, text: '{"alive":true}' });
  const { status, text } = await adminGet(staged, '/readyz');
  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({ ready: true, checks: { listening: true, serving: true, sessions: true } });
});

test('readiness goes with the session store, names it, and comes back', async () => {
  class FlakyStore extends MemorySessionStore {
    override ready = true;
  }
  const sessions = new FlakyStore({ sessionsMax: 10, soleInstance: true });
  const staged = await stage(undefined, { ...ADMIN, sessions });
  sessions.ready = false;
  const { status, text } = await adminGet(staged, '/readyz');
  expect(status).toBe(503);
  expect(JSON.parse(text).checks).toEqual({ listening: true, serving: true, sessions: false });
  expect((await adminGet(staged, '/livez')).status).toBe(200);
  sessions.ready = true;
  expect((await adminGet(staged, '/readyz')).status).toBe(200);
});

test('a draining relay is not ready, still serves, and closes each connection with its response', async () => {
  const staged = await stage(undefined, ADMIN);
  const client = await SealedClient.pair(staged.port);
  expect((await client.fetch({})).outer.headers.connection).not.toBe('close');
  staged.relay.drain();
  const { status, text } = await adminGet(staged, '/readyz');
  expect(status).toBe(503);
  expect(JSON.parse(text).checks).toEqual({ listening: true, serving: false, sessions: true });
  expect((await adminGet(staged, '/livez')).status).toBe(200);
  const response = await client.fetch({ path: '/late' });
  expect(response.head.status).toBe(200);
  expect(response.outer.headers.connection).toBe('close');
});

test('an exchange that was in progress when draining began closes its connection too', async () => {
  let finish = (): void => {};
  const staged = await stage((_req, res) => {
    finish = () => res.end('ok');
  }, ADMIN);
  const client = await SealedClient.pair(staged.port);
  const response = client.fetch({});
  await expect.poll(() => staged.seen.length).toBe(1);
  staged.relay.drain();
  finish();
  expect((await response).text).toBe('ok');
  expect((await response).outer.headers.connection).toBe('close');
});

test('metrics are in Prometheus’ text format, the process’s own among them', async () => {
  const staged = await stage(undefined, ADMIN);
  const { status, text, type } = await adminGet(staged, '/metrics');
  expect(status).toBe(200);
  expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
  const shapes = /^(?:# (?:HELP|TYPE) \w+ .+|[a-z_]\w*(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? [-+0-9.eNaInf]+|)$/;
  for (const line of text.split('\n')) expect(line).toMatch(shapes);
  for (const name of ['mte_relay_requests_total', 'nodejs_eventloop_lag_seconds', 'process_cpu_seconds_total']) {
    expect(text).toContain(`# TYPE ${name} `);
  }
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('the public port serves none of it', async () => {
  const { port } = await stage(undefined, ADMIN);
  for (const path of ['/livez', '/readyz', '/metrics']) {
    expect(await send(port, path, { method: 'GET' }), path).toMatchObject({ status: 404, code: 'not-found' });
  }
});

test('the admin port serves nothing else', async () => {
  const staged = await stage(undefined, ADMIN);
  for (const path of ['/', '/api/mte-relay', '/api/mte', '/metrics/x', '/readyz?x']) {
    expect((await adminGet(staged, path)).status, path).toBe(404);
  }
  for (const method of ['POST', 'DELETE']) expect((await adminGet(staged, '/livez', method)).status).toBe(405);
  expect(await adminGet(staged, '/readyz', 'HEAD')).toMatchObject({ status: 200, text: '' });
});

test('ADMIN_PORT=off opens no port', async () => {
  const { relay } = await stage(undefined, { environment: { ADMIN_PORT: 'off' } });
  expect(relay.adminPort).toBeUndefined();
});

test('ADMIN_HOST decides where it is reached', async () => {
  const staged = await stage(undefined, { environment: { ADMIN_PORT: '0', ADMIN_HOST: '127.0.0.2' } });
  await expect(adminGet(staged, '/livez')).rejects.toThrow();
  const elsewhere = await fetch(`http://127.0.0.2:${staged.relay.adminPort}/livez`, {
    headers: { connection: 'close' },
  });
  expect(elsewhere.status).toBe(200);
});

test('a taken admin port fails the start, and the error names the setting', async () => {
  const holder = createServer();
  const taken = await listen(holder);
  const relay = relayTo('http://127.0.0.1:9', { ADMIN_PORT: String(taken), ADMIN_HOST: '127.0.0.1' });
  await expect(relay.listen(0)).rejects.toThrow(`ADMIN_PORT ${taken}: EADDRINUSE`);
  await relay.close();
  holder.close();
});
