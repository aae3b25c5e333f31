import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ConfigError, createRelay } from '../src/index.ts';
import { relaySeries } from './support/admin.ts';
import { SealedClient } from './support/sealed-client.ts';
import { listenOn, TEST_ORIGIN, TEST_SECRET } from './support/stage.ts';

let folder: string;
let server: Server;
let port: number;
const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mte-relay-tls-'));
  for (const [name, subject] of [
    ['server', '/CN=localhost'],
    ['client', '/CN=relay'],
  ] as const) {
    const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
    const names = ['-subj', subject, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        ...files,
        ...names,
      ],
      { stdio: 'ignore' },
    );
  }
  server = createServer(
    {
      key: pem('server.key'),
      cert: pem('server.crt'),
      ca: pem('client.crt'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (req, res) => res.end(String((req.socket as TLSSocket).authorized)),
  );
  port = await listenOn(server);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(environment: Record<string, string>): Promise<string> {
  const relay = createRelay({
    environment: {
      UPSTREAM: `https://localhost:${port}`,
      CORS_ORIGINS: TEST_ORIGIN,
      CLIENT_ID_SECRET: TEST_SECRET,
      LOG_LEVEL: 'off',
      ...environment,
    },
  });
  onTestFinished(() => relay.close());
  const answer = await (await SealedClient.pair(await relay.listen(0))).fetch({});
  return answer.header('mte-relay-failure') ?? answer.text;
}

test('an upstream whose certificate nobody vouches for is not talked to', async () => {
  expect(await ask({})).toBe('upstream-unreachable');
});

test('UPSTREAM_CA vouches for it', async () => {
  expect(await ask({ UPSTREAM_CA: pem('server.crt') })).toBe('false');
});

test('UPSTREAM_CERT and UPSTREAM_KEY prove the relay to it', async () => {
  const mutual = { UPSTREAM_CA: pem('server.crt'), UPSTREAM_CERT: pem('client.crt'), UPSTREAM_KEY: pem('client.key') };
  expect(await ask(mutual)).toBe('true');
});

test('metrics tell when certificates of the settings expire, the first of several', async () => {
  const relay = createRelay({
    environment: {
      UPSTREAM: `https://localhost:${port}`,
      CORS_ORIGINS: TEST_ORIGIN,
      CLIENT_ID_SECRET: TEST_SECRET,
      LOG_LEVEL: 'off',
      UPSTREAM_CA: pem('server.crt') + pem('client.crt'),
      UPSTREAM_CERT: pem('client.crt'),
      UPSTREAM_KEY: pem('client.key'),
    },
  });
  onTestFinished(() => relay.close());
  const series = await relaySeries({ relay });
  const expiries = ['UPSTREAM_CA', 'UPSTREAM_CERT'].map((setting) =>
    series.get(`mte_relay_certificate_expires_seconds{domain="*",setting="${setting}"}`),
  );
  const times = ['server.crt', 'client.crt'].map((name) => new X509Certificate(pem(name)).validToDate.getTime() / 1000);
  expect(expiries).toEqual([Math.min(...times), times[1]]);
});

test('a certificate authority does not make another host’s certificate good', async () => {
  expect(await ask({ UPSTREAM: `https://127.0.0.2:${port}`, UPSTREAM_CA: pem('server.crt') })).toBe(
    'upstream-unreachable',
  );
});

test('what is no PEM is refused by name, and a key is not shown', () => {
  try {
    createRelay({
      environment: {
        UPSTREAM: 'https://a',
        CORS_ORIGINS: TEST_ORIGIN,
        CLIENT_ID_SECRET: TEST_SECRET,
        UPSTREAM_KEY: 'hunter2',
        UPSTREAM_CA: 'x',
      },
    });
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems.map(({ name }) => name)).toEqual(['UPSTREAM_CA', 'UPSTREAM_KEY']);
    expect((error as Error).message).not.toContain('hunter2');
  }
});
