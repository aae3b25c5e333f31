import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { ConfigError } from '@mte-relay/server';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen } from '@mte-relay/testing/servers';
import { pairedTo } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { relaySeries } from '../support/admin.ts';
import { selfSigned } from '../support/certificate.ts';

const PAIRS = { server: selfSigned(), client: selfSigned('relay') };
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer(
    {
      key: PAIRS.server.key,
      cert: PAIRS.server.cert,
      ca: PAIRS.client.cert,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (req, res) => res.end(String((req.socket as TLSSocket).authorized)),
  );
  port = await listen(server);
});

afterAll(() => {
  closeServer(server);
});

async function ask(environment: Record<string, string>): Promise<string> {
  const response = await (await pairedTo(`https://localhost:${port}`, environment)).fetch({});
  return response.header('mte-relay-failure') ?? response.text;
}

test('the relay does not talk to an upstream whose certificate is not trusted', async () => {
  expect(await ask({})).toBe('upstream-unreachable');
});

test('UPSTREAM_CA vouches for it', async () => {
  expect(await ask({ UPSTREAM_CA: PAIRS.server.cert })).toBe('false');
});

test('UPSTREAM_CA with an old authority and a new one takes either, so that they change with overlap', async () => {
  expect(await ask({ UPSTREAM_CA: `${PAIRS.client.cert}${PAIRS.server.cert}` })).toBe('false');
  expect(await ask({ UPSTREAM_CA: `${PAIRS.server.cert}${PAIRS.client.cert}` })).toBe('false');
});

test('UPSTREAM_CERT and UPSTREAM_KEY prove the relay to it', async () => {
  const mutual = { UPSTREAM_CA: PAIRS.server.cert, UPSTREAM_CERT: PAIRS.client.cert, UPSTREAM_KEY: PAIRS.client.key };
  expect(await ask(mutual)).toBe('true');
});

test('metrics report when certificates of the settings expire, the first of several', async () => {
  const relay = endsWithTest(
    relayTo(`https://localhost:${port}`, {
      UPSTREAM_CA: PAIRS.server.cert + PAIRS.client.cert,
      UPSTREAM_CERT: PAIRS.client.cert,
      UPSTREAM_KEY: PAIRS.client.key,
      REDIS_URL: 'rediss://127.0.0.1:1',
      REDIS_CA: PAIRS.server.cert,
    }),
  );
  const series = await relaySeries({ relay });
  const expiries = ['UPSTREAM_CA', 'UPSTREAM_CERT', 'REDIS_CA'].map((setting) =>
    series.get(`mte_relay_certificate_expires_seconds{domain="*",setting="${setting}"}`),
  );
  const times = [PAIRS.server, PAIRS.client].map(({ cert }) => new X509Certificate(cert).validToDate.getTime() / 1000);
  expect(expiries).toEqual([Math.min(...times), times[1], times[0]]);
});

test('a certificate authority does not make another host’s certificate good', async () => {
  expect(await ask({ UPSTREAM: `https://127.0.0.2:${port}`, UPSTREAM_CA: PAIRS.server.cert })).toBe(
    'upstream-unreachable',
  );
});

test('a setting that is not PEM is refused by name, and its key is not shown', () => {
  try {
    relayTo('https://a', { UPSTREAM_KEY: 'hunter2', UPSTREAM_CA: 'x' });
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems.map(({ name }) => name)).toEqual(['UPSTREAM_CA', 'UPSTREAM_KEY']);
    expect((error as Error).message).not.toContain('hunter2');
  }
});
