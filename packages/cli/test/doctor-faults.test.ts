// `mte-relay doctor` before deployments that are ill: each fault is real, found by its own check, and reported in
// words that lead to its cause.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentOf } from '@mte-relay/testing/content';
import { freePort } from '@mte-relay/testing/free-port';
import { relayProcessTo } from '@mte-relay/testing/relay-process';
import { listen, urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { toolPath } from '@mte-relay/testing/tools';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  balanceConnections,
  examineQuickly as examine,
  finding,
  runDoctor,
  runDoctorWith,
  useRelay,
} from './support/doctor.ts';

const WRONG_PIN = `sha256-${Buffer.alloc(32).toString('base64')}`;
const OPENSSL = toolPath('openssl');
const DAY_MS = 86_400_000;
const AUTHORITY = `[ca]
default_ca = own
[own]
certificate = ca.pem
private_key = ca.key
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
`;

/** As openssl writes days. */
const dayOf = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().replace(/[-:T]|\.\d+/g, '');

const relay = useRelay();
const { backend } = relay;

/** A server of the test's own; gives its port. */
const serve = (server: Parameters<typeof listen>[0] & { close(): unknown }): Promise<number> =>
  listen(endsWithTest(server));

/** Sends on as a gateway without WebSockets: fields of this hop alone stay behind (RFC 9110 §7.6.1). */
function onwardOf({ method, url: path, headers }: IncomingMessage): ClientRequest {
  const { connection: _connection, upgrade: _upgrade, ...others } = headers;
  return request({ port: relay.port, host: '127.0.0.1', method, path, headers: others });
}

/** Passes requests on to the relay, and lets the test change the response's fields. */
function intermediary(change: (headers: Record<string, string | string[] | undefined>) => void): RequestListener {
  return (req, res) => {
    const onward = onwardOf(req);
    onward.on('response', (response) => {
      const headers = { ...response.headers };
      change(headers);
      res.writeHead(response.statusCode as number, headers);
      response.pipe(res);
    });
    onward.on('error', () => res.destroy());
    req.pipe(onward);
  };
}

/** Passes requests on, and each response once it is whole, as gateways do that buffer. */
const bufferingIntermediary: RequestListener = (req, res) => {
  const onward = onwardOf(req);
  onward.on('response', async (response) => {
    const body = await contentOf(response).catch(() => undefined);
    if (body) res.writeHead(response.statusCode as number, response.headers).end(body);
    else res.destroy();
  });
  onward.on('error', () => res.destroy());
  res.on('close', () => onward.destroy());
  req.pipe(onward);
};

describe('the server at the address', () => {
  test('nothing that listens is 7, and where to look', async () => {
    const { exitCode, found } = await examine(urlOf(await freePort()));
    expect(exitCode).toBe(7);
    expect(found['connection']).toEqual(finding('failed', /ECONNREFUSED/, /NSG/));
  });

  test('a name without an address is 7', async () => {
    const { exitCode, found } = await examine('https://relay.invalid');
    expect(exitCode).toBe(7);
    expect(found['name']).toEqual(finding('failed', /relay\.invalid has no address/, /DNS/));
  });

  test('a server that is silent costs no more than --timeout', async () => {
    const port = await serve(createTcpServer(() => undefined));
    const beganMs = performance.now();
    const { exitCode, found } = await examine(`http://127.0.0.1:${port}`, '--timeout', '1');
    expect(exitCode).toBe(7);
    expect(found['discovery']).toEqual(finding('failed', /timed out/));
    expect(found['time limit']).toEqual(finding('failed', /timed out after 1 s/));
    expect(performance.now() - beganMs).toBeLessThan(6_000);
  });

  test('the doctor distinguishes an ordinary web server from a relay', async () => {
    const port = await serve(
      createServer((_req, res) => res.writeHead(200, { 'content-type': 'text/html', server: 'web' }).end('<html>')),
    );
    const { exitCode, checks, found } = await examine(`http://127.0.0.1:${port}`);
    expect(exitCode).toBe(3);
    expect(found['discovery']).toEqual(finding('failed', /200, text\/html \(server: web\)/, /route \/api\/mte\*/));
    expect(checks('ok')).toEqual(['name', 'connection']);
  });

  test('a redirect is named with where it leads', async () => {
    const port = await serve(createServer((_req, res) => res.writeHead(301, { location: 'https://elsewhere/' }).end()));
    const { found } = await examine(`http://127.0.0.1:${port}`);
    expect(found['discovery']).toEqual(finding('failed', /301 to https:\/\/elsewhere\//));
  });

  test('a relay of another protocol version is not spoken to', async () => {
    const document = JSON.stringify({ versions: [2], suite: 7, publicKey: 'AAAA' });
    const port = await serve(
      createServer((_req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end(document)),
    );
    const { exitCode, found } = await examine(`http://127.0.0.1:${port}`);
    expect(exitCode).toBe(3);
    expect(found['discovery']).toEqual(finding('failed', /speaks version 2 with suite 7/, /up to date/));
  });

  test('the text of a hostile server moves no terminal, breaks no check and fills no screen', async () => {
    const escapes = '\u001b]0;owned\u0007\u009b31m\u202e';
    const odd = { toString: 1 };
    for (const document of [
      { versions: [escapes, odd], suite: escapes.repeat(10_000) },
      { versions: [1], suite: odd },
      { versions: [1], suite: 1, keys: [null, { publicKey: odd }], time: odd },
    ]) {
      const port = await serve(
        createServer((_req, res) => res.setHeader('server', '\x9b31m').end(JSON.stringify(document))),
      );
      const { exitCode, output } = await runDoctor(`http://127.0.0.1:${port}`);
      expect(exitCode).toBe(3);
      expect(output).not.toMatch(/[^\P{C}\n]/u);
      expect(output.length).toBeLessThan(4_000);
    }
  });

  test('a server that switches protocols unasked ends no check without a word', async () => {
    const port = await serve(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'));
      }),
    );
    const { exitCode, found } = await examine(`http://127.0.0.1:${port}`);
    expect(exitCode).toBe(7);
    expect(found['discovery']).toEqual(finding('failed', /switches protocols/));
  });

  test('pairings that are used up behind one address are named with TRUSTED_PROXIES', async () => {
    const limited = await relayProcessTo(backend.url, { PAIRINGS_BURST: '1', PAIRINGS_PER_MINUTE: '1' });
    expect((await examine(limited.url, '--pin', limited.pin)).exitCode).toBe(0);
    const { found } = await examine(limited.url, '--pin', limited.pin);
    expect(found['pairing']).toEqual(finding('failed', /429 too-many/, /TRUSTED_PROXIES/));
  });
});

describe('event streams', () => {
  test.each([
    ['that ends', 'warning', /everything arrived at once/],
    ['that goes on', 'warning', /nothing arrived within 8 s/],
  ] as const)('one %s is named when an intermediary buffers it', async (kind, state, saw) => {
    backend.handler = (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n');
      if (kind === 'that ends') setTimeout(() => res.end('data: two\n\n'), 300);
    };
    const port = await serve(createServer(bufferingIntermediary));
    const options = ['--pin', relay.pin, '--stream', '/events'];
    const { exitCode, found } = await examine(`http://127.0.0.1:${port}`, ...options);
    expect(found['response stream']).toEqual(finding(state, saw, /buffers responses/));
    expect(exitCode).toBe(3); // this intermediary does not pass WebSockets either
  });
});

describe('whose key', () => {
  test('another key than the pinned one is 60, and nothing is sealed to it', async () => {
    const { exitCode, checks, found } = await examine(relay.url, '--pin', WRONG_PIN, '--path', '/secret');
    expect(exitCode).toBe(60);
    expect(found['pin']).toEqual(finding('failed', /the relay shows sha256-/, /"new,old"/));
    expect(found['pin']?.saw).toContain(relay.pin);
    expect(checks('skipped')).toContain('pairing');
    expect(checks('ok')).not.toContain('sealed call');
    expect(backend.ran).toEqual([]);
  });
});

describe('the upstream', () => {
  test('one that is not there is the relay’s own 502', async () => {
    const away = await relayProcessTo(urlOf(await freePort()));
    const { exitCode, found } = await examine(away.url, '--pin', away.pin, '--path', '/health');
    expect(exitCode).toBe(3);
    expect(found['upstream']).toEqual(
      finding('failed', /502 upstream-unreachable \(the upstream saw the request: no\)/, /UPSTREAM/),
    );
  });

  test('one that does not respond is the relay’s own 504', async () => {
    const slow = await relayProcessTo(backend.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '200' });
    backend.handler = () => undefined;
    const { found } = await examine(slow.url, '--pin', slow.pin, '--path', '/health');
    expect(found['upstream']).toEqual(finding('failed', /504 upstream-timeout/, /UPSTREAM_HEADERS_TIMEOUT_MS/));
  });

  test.each([
    [500, 'failed'],
    [401, 'warning'],
  ] as const)('its own %i is distinguished from the relay’s', async (status, state) => {
    backend.handler = (_req, res) => res.writeHead(status).end();
    const { found } = await examine(relay.url, '--pin', relay.pin, '--path', '/health');
    expect(found['upstream']).toEqual(
      finding(state, new RegExp(`the upstream responded ${status} to`), /the relay works/),
    );
  });

  test('the doctor distinguishes a stream that is refused from one that is buffered', async () => {
    const away = await relayProcessTo(urlOf(await freePort()));
    const refused = await examine(away.url, '--pin', away.pin, '--stream', '/events');
    expect(refused.found['response stream']).toEqual(finding('failed', /502 upstream-unreachable/, /UPSTREAM/));
    backend.handler = (_req, res) => res.writeHead(404).end('no such stream');
    const missing = await examine(relay.url, '--pin', relay.pin, '--stream', '/events');
    expect(missing.found['response stream']).toEqual(
      finding('warning', /the upstream responded 404 to GET \/events/, /path right/),
    );
  });

  test('a path outside MTE_ROUTES is named', async () => {
    const routed = await relayProcessTo(backend.url, { MTE_ROUTES: '/api/v1/*' });
    const { found } = await examine(routed.url, '--pin', routed.pin, '--path', '/health');
    expect(found['upstream']).toEqual(finding('failed', /404 route-refused/, /MTE_ROUTES/));
  });
});

describe('pods', () => {
  test('two without a shared store are found by one session', async () => {
    const pods = [await relayProcessTo(backend.url), await relayProcessTo(backend.url)];
    const balancer = await balanceConnections(pods);
    const { exitCode, found } = await examine(balancer.url, '--pin', relay.pin);
    expect(exitCode).toBe(3);
    expect(found['pods']).toEqual(finding('failed', /only 6 of 12 .* session-unknown/, /REDIS_URL/));
  });

  test('an admin port that is open to the outside is named', async () => {
    const open = await relayProcessTo(backend.url);
    const { exitCode, found } = await examine(open.url, '--pin', open.pin, '--admin-port', String(open.adminPort));
    expect(exitCode).toBe(3);
    expect(found['admin port']).toEqual(
      finding('failed', /shows \/readyz and \/metrics to everybody/, /NetworkPolicy/),
    );
  });
});

describe('pages and clocks', () => {
  test('an origin that is not listed is named with CORS_ORIGINS', async () => {
    const { exitCode, found } = await examine(relay.url, '--pin', relay.pin, '--origin', 'https://other.example');
    expect(exitCode).toBe(3);
    expect(found['CORS']).toEqual(finding('failed', /the origin is not allowed/, /CORS_ORIGINS/));
    // The upgrade of a page that is not listed is refused by the relay, and the doctor reports it.
    expect(found['WebSocket']).toEqual(finding('failed', /403 origin-refused/, /CORS_ORIGINS/));
  });

  test('a Date that is an hour off is the intermediary’s, where the relay’s own clock is right', async () => {
    const port = await serve(
      createServer(
        intermediary((headers) => {
          headers['date'] = new Date(Date.now() + 3_600_000).toUTCString();
        }),
      ),
    );
    const { found } = await examine(`http://127.0.0.1:${port}`, '--pin', relay.pin);
    expect(found['relay clock']).toEqual(finding('ok', /agrees with this machine/));
    expect(found['response clock']).toEqual(finding('failed', /3[56]\d\d s ahead of the relay/, /NTP/));
  });

  test('a clock of the relay, or of this machine, that is minutes off is reported once and not as an intermediary’s', async () => {
    const pass = intermediary(() => undefined);
    const port = await serve(
      createServer((req, res) => {
        if (!req.url?.startsWith('/api/mte-echo')) return pass(req, res);
        const time = new Date(Date.now() + 240_000);
        const echo = new URL(req.url, 'http://relay').searchParams.get('msg');
        res.writeHead(200, { 'content-type': 'application/json', date: time.toUTCString() });
        res.end(JSON.stringify({ echo, time: time.toISOString() }));
      }),
    );
    const { found } = await examine(`http://127.0.0.1:${port}`, '--pin', relay.pin);
    expect(found['relay clock']).toEqual(finding('failed', /2[34]\d s ahead of this machine/, /third clock/));
    expect(found['response clock']).toEqual(finding('ok', /agrees with the relay/));
  });

  test('a cache that keeps discovery for a day is named', async () => {
    const port = await serve(
      createServer(
        intermediary((headers) => {
          headers['cache-control'] = 'public, max-age=86400';
        }),
      ),
    );
    const { found } = await examine(`http://127.0.0.1:${port}`, '--pin', relay.pin);
    expect(found['discovery']).toEqual(finding('warning', /max-age=86400/, /outlives its rotation/));
    expect(found['response fields']).toEqual(finding('warning', /cache-control became public/, /caching/));
  });
});

describe.skipIf(!OPENSSL)('certificates', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mte-relay-doctor-tls-'));
    const openssl = (...args: string[]): void => {
      execFileSync(OPENSSL as string, args, { cwd: folder, stdio: 'pipe' });
    };
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      '/CN=test authority',
      '-days',
      '900',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
    // `openssl ca` alone takes a first and a last day in every version.
    writeFileSync(file('ca.conf'), AUTHORITY);
    writeFileSync(file('index.txt'), '');
    for (const [name, host, from, to] of [
      ['good', 'localhost', -1, 200],
      ['ending', 'localhost', -80, 5],
      ['expired', 'localhost', -90, -3],
      ['other', 'other.example', -1, 200],
    ] as const) {
      const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
      openssl('req', '-new', ...newKey, ...subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
      const dates = ['-startdate', dayOf(from), '-enddate', dayOf(to)];
      openssl('ca', '-batch', '-config', 'ca.conf', ...dates, '-in', `${name}.csr`, '-out', `${name}.pem`, '-notext');
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function tls(name: string, ...args: string[]) {
    const files = { key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) };
    const port = await serve(
      createTlsServer(
        files,
        intermediary(() => undefined),
      ),
    );
    const httpPort = await serve(
      createServer((_req, res) => res.writeHead(308, { location: 'https://localhost/' }).end()),
    );
    const options = ['--pin', relay.pin, '--http-port', String(httpPort)];
    return examine(`https://localhost:${port}`, ...options, ...args);
  }

  test('a good one passes, and plain HTTP is seen to redirect', async () => {
    const { found } = await tls('good', '--ca', file('ca.pem'));
    expect(found['certificate']).toEqual(finding('ok', /TLSv1\.3, for localhost/));
    expect(found['plain HTTP']).toEqual(finding('ok', /redirected to https/));
    expect(found['sealed call']?.state).toBe('ok');
  });

  test.each([
    ['expired', 'failed', /^expired on/, /renew/],
    ['ending', 'warning', /in [45] days/, /renew/],
    ['other', 'failed', /is for DNS:other\.example, not for localhost/, /certificate of this host/],
  ] as const)(
    'one that is %s is named, and what is behind it is looked at all the same',
    async (name, state, saw, todo) => {
      const { found } = await tls(name, '--ca', file('ca.pem'));
      expect(found['certificate']).toEqual(finding(state, saw, todo));
      expect(found['sealed call']?.state).toBe('ok');
    },
  );

  test('a relay that plain HTTP reaches too is named', async () => {
    const { found } = await tls('good', '--ca', file('ca.pem'), '--http-port', String(relay.port));
    expect(found['plain HTTP']).toEqual(finding('warning', /without TLS too/, /redirect/));
  });

  test('one of an unknown issuer is named with --ca', async () => {
    const { found } = await tls('good');
    expect(found['certificate']).toEqual(finding('failed', /issuer is not trusted/, /--ca FILE/));
  });

  test('one of an issuer that Node is configured with is trusted, as Node programs trust it', async () => {
    const files = { key: readFileSync(file('good.key')), cert: readFileSync(file('good.pem')) };
    const port = await serve(
      createTlsServer(
        files,
        intermediary(() => undefined),
      ),
    );
    const { output } = await runDoctorWith(
      { NODE_EXTRA_CA_CERTS: file('ca.pem') },
      `https://localhost:${port}`,
      '--upload-mb',
      '0',
    );
    expect(output).toMatch(/✓ certificate +TLSv1\.3, for localhost/);
  });

  test('with neither a pin nor a good certificate no path goes through it', async () => {
    const files = { key: readFileSync(file('good.key')), cert: readFileSync(file('good.pem')) };
    const unpinned = await serve(
      createTlsServer(
        files,
        intermediary(() => undefined),
      ),
    );
    const { output } = await runDoctor(
      `https://localhost:${unpinned}`,
      '--path',
      '/secret',
      '--upload-mb',
      '0',
      '--http-port',
      String(await freePort()),
    );
    expect(output).toMatch(/– upstream +without a pin or a trusted certificate/);
    expect(output).toMatch(/✓ plain HTTP +port \d+ is closed/);
    expect(backend.ran).toEqual([]);
  });

  test('an intermediary that shows the good certificate once, and then its own, gets no path', async () => {
    const ports: { port: number }[] = [];
    // The first connection asks only whether the port is open, the second one for the certificate.
    for (const name of ['other', 'good']) {
      const files = { key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) };
      const server = createTlsServer(
        files,
        intermediary(() => undefined),
      );
      ports.push({ port: await serve(server) });
    }
    const { url: balanced } = await balanceConnections(ports);
    const { found } = await examine(
      balanced.replace('http://127.0.0.1', 'https://localhost'),
      ...['--ca', file('ca.pem'), '--path', '/secret', '--http-port', String(await freePort())],
    );
    expect(found['certificate']?.state).toBe('ok');
    expect(found['discovery']).toEqual(finding('failed', /ERR_TLS_CERT_ALTNAME_INVALID/));
    expect(backend.ran).toEqual([]);
  });
});
