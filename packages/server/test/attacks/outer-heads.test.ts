// Outer requests that two recipients could read differently, each sent as raw bytes to the relay and to nginx in front of the same
// kind of upstream. Where the relay responds otherwise than nginx, the table gives the reason (RFC 9112 §2.2 to §7.1).
import { connect } from 'node:net';
import { NGINX, startNginx } from '@mte-relay/testing/nginx';
import { serve } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, test } from 'vitest';

interface Head {
  readonly bytes: string;
  /** Status of the relay's response. */
  readonly status: number;
  /** Status of nginx's, 0 for none, if it is of another class; and why the relay's is right. */
  readonly unlike?: readonly [number, string];
}

const ok = (bytes: string): Head => ({ bytes, status: 200 });
const bad = (bytes: string, ...unlike: [] | [number, string]): Head => ({
  bytes,
  status: 400,
  ...(unlike.length > 0 && { unlike: unlike as [number, string] }),
});

const HOST = 'host: r\r\n';
const get = (fields: string, line = 'GET /pub/x HTTP/1.1'): string => `${line}\r\n${fields}\r\n`;
const post = (fields: string, body: string, line = 'POST /pub/x HTTP/1.1'): string => get(HOST + fields, line) + body;
const te = (coding: string): string => post(`transfer-encoding: ${coding}\r\n`, CHUNKS);
const CHUNKS = '2\r\nhi\r\n0\r\n\r\n';
const chunks = (body: string): string => post('transfer-encoding: chunked\r\n', body);
const length = (value: string): string => post(`content-length: ${value}\r\n`, 'hi');

const CODING = 'nginx responds 501, as §6.1 recommends; the relay has one code for heads that it does not read';
const CLEAN = 'the relay takes the syntax literally, so that nobody behind it reads the request otherwise';
const TRAILER = 'nginx reads no trailer section; the relay forwards trailers, and takes their syntax literally';

const HEADS: Readonly<Record<string, Head>> = {
  'a plain GET': ok(get(HOST)),
  'a POST with a length': ok(length('2')),
  'a POST in chunks': ok(te('chunked')),

  // Versions (RFC 9112 §2.3)
  'HTTP/1.0': ok(get(HOST, 'GET /pub/x HTTP/1.0')),
  'HTTP/1.0 without Host': ok(get('', 'GET /pub/x HTTP/1.0')),
  'HTTP/1.0 in chunks': bad(post('transfer-encoding: chunked\r\n', CHUNKS, 'POST /pub/x HTTP/1.0')),
  'HTTP/1.0 in chunks, kept alive': bad(
    post('connection: keep-alive\r\ntransfer-encoding: chunked\r\n', CHUNKS, 'POST /pub/x HTTP/1.0'),
  ),
  'HTTP/1.0 with length and chunks': bad(
    post('content-length: 2\r\ntransfer-encoding: chunked\r\n', CHUNKS, 'POST /pub/x HTTP/1.0'),
  ),
  'a line without version': bad('GET /pub/x\r\n\r\n', 0, 'nginx serves HTTP/0.9, which has no status line'),
  'HTTP/0.9': bad(get(HOST, 'GET /pub/x HTTP/0.9')),
  'HTTP/1.2': bad(get(HOST, 'GET /pub/x HTTP/1.2'), 200, 'node:http does not know that version'),
  'HTTP/2.0': bad(get(HOST, 'GET /pub/x HTTP/2.0'), 505, 'the relay has one code for heads that it does not read'),
  'HTTP/3.0': bad(get(HOST, 'GET /pub/x HTTP/3.0'), 505, 'the relay has one code for heads that it does not read'),
  'http/1.1': bad(get(HOST, 'GET /pub/x http/1.1')),
  'the preface of HTTP/2': bad('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),

  // Host (RFC 9112 §3.2, RFC 9110 §7.2)
  'no Host': bad(get('')),
  'two Hosts': bad(get(`${HOST}host: s\r\n`)),
  'the same Host twice': bad(get(`${HOST}Host: r\r\n`)),
  'an empty Host': bad(get('host: \r\n')),
  'a list of Hosts': bad(get('host: a, b\r\n')),
  'a Host with a path': bad(get('host: a/b\r\n')),
  'a URL as Host': bad(get('host: http://a\r\n')),
  'a Host with a space': bad(get('host: a b\r\n')),
  'a Host with userinfo': bad(get('host: u@a\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with a query': bad(get('host: a?b\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with a name as port': bad(get('host: a:b\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with two ports': bad(get('host: a:80:80\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'half an IPv6 Host': bad(get('host: [::1\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with a byte above ASCII': bad(get('host: a\xe9\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with an invalid escape': bad(get('host: a%zz\r\n'), 200, '§3.2 requires 400 for an invalid Host'),
  'a Host with an empty label': {
    ...ok(get('host: a..b\r\n')),
    unlike: [400, 'a reg-name may have it (RFC 3986 §3.2.2)'],
  },
  'a Host with a port': ok(get('host: a:80\r\n')),
  'a Host with an empty port': ok(get('host: a:\r\n')),
  'an IPv6 Host': ok(get('host: [::1]:80\r\n')),
  'a Host with an underscore': ok(get('host: a_b\r\n')),
  'a Host with an escape': ok(get('host: a%41\r\n')),

  // Transfer-Encoding (RFC 9112 §6.1, §6.3)
  CHUNKED: ok(te('CHUNKED')),
  'chunked before a tab': bad(te('chunked\t'), 501, CODING),
  'gzip, chunked': bad(te('gzip, chunked'), 501, CODING),
  'gzip and chunked in two lines': bad(te('gzip\r\ntransfer-encoding: chunked')),
  'chunked in two lines': bad(te('chunked\r\ntransfer-encoding: chunked')),
  'chunked, chunked': bad(te('chunked, chunked'), 501, CODING),
  'chunked, gzip': bad(te('chunked, gzip'), 501, CODING),
  'chunked behind an empty item': bad(te(',chunked'), 501, CODING),
  'chunked before an empty item': bad(te('chunked,'), 501, CODING),
  identity: bad(te('identity'), 501, CODING),
  'identity and a length': bad(post('transfer-encoding: identity\r\ncontent-length: 2\r\n', 'hi'), 501, CODING),
  xchunked: bad(te('xchunked'), 501, CODING),
  'chunked with a parameter': bad(te('chunked;a=b'), 501, CODING),
  '"chunked" in quotes': bad(te('"chunked"'), 501, CODING),
  'an empty coding': bad(te(''), 501, CODING),
  'chunked behind a vertical tab': bad(te('\x0bchunked'), 501, CODING),
  'gzip of a GET': bad(get(`${HOST}transfer-encoding: gzip\r\n`), 501, CODING),
  'a GET in chunks': ok(get(`${HOST}transfer-encoding: chunked\r\n`) + CHUNKS),
  'transfer_encoding beside a length': ok(post('transfer_encoding: chunked\r\ncontent-length: 2\r\n', 'hi')),
  'chunked, then a length': bad(post('transfer-encoding: chunked\r\ncontent-length: 2\r\n', CHUNKS)),
  'a length, then chunked': bad(post('content-length: 2\r\ntransfer-encoding: chunked\r\n', CHUNKS)),

  // Content-Length (RFC 9110 §8.6)
  'a list of one length': bad(length('2, 2')),
  'one length in two lines': bad(length('2\r\ncontent-length: 2')),
  'two lengths': bad(length('2\r\ncontent-length: 3')),
  'a length with plus': bad(length('+2')),
  'a length with minus': bad(length('-2')),
  'a length in hexadecimal': bad(length('0x2')),
  'a length with an exponent': bad(length('1e1')),
  'a length in two parts': bad(length('2 2')),
  'an empty length': bad(length('')),
  'a length beyond 2^64': bad(length('99999999999999999999999')),
  'a length with a zero before it': ok(length('02')),

  // Lines and fields (RFC 9112 §2.2, §5)
  'a folded line': bad(get(`${HOST}x: a\r\n b\r\n`)),
  'a folded Host': bad(get('host:\r\n r\r\n')),
  'a space before the colon': bad(get(`${HOST}x : a\r\n`)),
  'a space before the first name': bad(get(` x: a\r\n${HOST}`)),
  'a field without name': bad(get(`${HOST}: a\r\n`)),
  'a line without colon': bad(get(`${HOST}abc\r\n`), 200, CLEAN),
  'bare LF': bad('GET /pub/x HTTP/1.1\nhost: r\n\n', 200, '§2.2 allows to refuse it'),
  'bare CR': bad(get(`${HOST}x: a\rb\r\n`)),
  'NUL in a value': bad(get(`${HOST}x: a\0b\r\n`)),
  'a name that is not a token': bad(get(`${HOST}x(a): b\r\n`), 200, CLEAN),
  'a value with a byte above ASCII': ok(get(`${HOST}x: \xe9\r\n`)),
  'empty lines before the request': ok(`\r\n\r\n${get(HOST)}`),

  // Request targets (RFC 9112 §3.2)
  'an absolute target': bad(
    get(HOST, 'GET http://r/pub/x HTTP/1.1'),
    200,
    'for proxies, which the relay is to no client',
  ),
  'an absolute target elsewhere': bad(
    get(HOST, 'GET http://s/pub/x HTTP/1.1'),
    200,
    'as before, and it differs from Host',
  ),
  'an absolute target, and an empty Host': bad(get('host:\r\n', 'GET http://s/pub/x HTTP/1.1')),
  'OPTIONS *': bad(get(HOST, 'OPTIONS * HTTP/1.1')),
  'GET *': bad(get(HOST, 'GET * HTTP/1.1')),
  CONNECT: bad(get(HOST, 'CONNECT r:80 HTTP/1.1')),
  'an authority as target': bad(get(HOST, 'GET r:80 HTTP/1.1')),
  'a target without slash': bad(get(HOST, 'GET pub/x HTTP/1.1')),
  'a fragment': bad(get(HOST, 'GET /pub/x#f HTTP/1.1'), 200, 'a target has none (§3.2.1), and some servers cut it off'),
  'a space inside the target': bad(get(HOST, 'GET /pub/x y HTTP/1.1')),
  'a control character inside the target': bad(get(HOST, 'GET /pub/\x01 HTTP/1.1')),
  'tabs in the request line': bad(get(HOST, 'GET\t/pub/x\tHTTP/1.1')),
  'two spaces in the request line': ok(get(HOST, 'GET  /pub/x HTTP/1.1')),
  'a method in lower case': bad(get(HOST, 'get /pub/x HTTP/1.1')),

  // Chunks (RFC 9112 §7.1)
  'a chunk extension': ok(chunks('2;a=b\r\nhi\r\n0\r\n\r\n')),
  'a huge chunk extension': bad(chunks(`2;${'a'.repeat(40_000)}\r\nhi\r\n0\r\n\r\n`), 200, '§7.1.1 asks for a limit'),
  'LF in a chunk extension': bad(chunks('2;a\nb\r\nhi\r\n0\r\n\r\n')),
  'a chunk size with 0x': bad(chunks('0x2\r\nhi\r\n0\r\n\r\n')),
  'a chunk size with minus': bad(chunks('-2\r\nhi\r\n0\r\n\r\n')),
  'a chunk size beyond 2^64': bad(chunks('fffffffffffffffff\r\nhi\r\n0\r\n\r\n')),
  'a chunk size with a space': bad(chunks('2 \r\nhi\r\n0\r\n\r\n'), 200, CLEAN),
  'chunk lines that end in LF': bad(chunks('2\nhi\n0\n\n'), 200, CLEAN),
  'a chunk that is too long': bad(chunks('2\r\nhello\r\n0\r\n\r\n')),
  'a length as trailer': bad(chunks('2\r\nhi\r\n0\r\ncontent-length: 9\r\n\r\n'), 200, TRAILER),
  'a coding as trailer': bad(chunks('2\r\nhi\r\n0\r\ntransfer-encoding: gzip\r\n\r\n'), 200, TRAILER),
  'a space before a trailer’s colon': bad(chunks('2\r\nhi\r\n0\r\nx : 1\r\n\r\n'), 200, TRAILER),
  'Host as trailer': ok(chunks('2\r\nhi\r\n0\r\nhost: evil\r\n\r\n')),

  'the first bytes of TLS': bad('\x16\x03\x01\r\n\r\n'),
};

/** What arrived upstream of one request. */
type Arrived = readonly string[];

async function upstream(): Promise<{ url: string; arrived: string[] }> {
  const arrived: string[] = [];
  const { url } = endsWithTest(
    await serve(async (req, res) => {
      let body = '';
      for await (const piece of req) body += piece;
      const { host, ...trailers } = req.trailers;
      arrived.push(`${req.method} ${req.url} ${body} ${JSON.stringify(trailers)} ${host}`);
      res.end('ok');
    }),
  );
  return { url, arrived };
}

/** Sends the bytes of a head and gives the statuses that came back until the connection closed or was silent. */
function statusesOf(port: number, bytes: string): Promise<number[]> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(bytes, 'latin1')));
    const done = (): void => {
      socket.destroy();
      resolve([...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status)));
    };
    let silence = setTimeout(done, 1_000);
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
      clearTimeout(silence);
      silence = setTimeout(done, 100);
    });
    socket.on('error', () => undefined);
    socket.on('close', done);
  });
}

async function outcomesAt(
  port: number,
  arrived: string[],
): Promise<Record<string, { status: number; arrived: Arrived }>> {
  const outcomes: Record<string, { status: number; arrived: Arrived }> = {};
  for (const [name, { bytes }] of Object.entries(HEADS)) {
    arrived.length = 0;
    const [status = 0] = await statusesOf(port, bytes);
    outcomes[name] = { status, arrived: [...arrived] };
  }
  return outcomes;
}

test('ambiguous heads are refused, and nothing of them arrives; the relay is as strict as nginx, and differs for a reason', async () => {
  const behind = await upstream();
  const { port } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*', UPSTREAM: behind.url } });
  const relayed = await outcomesAt(port, behind.arrived);
  for (const [name, { status }] of Object.entries(HEADS)) {
    expect.soft(relayed[name]?.status, name).toBe(status);
    expect.soft(relayed[name]?.arrived, name).toHaveLength(status === 200 ? 1 : 0);
  }
  if (!NGINX) return;
  const nginx = await startNginx(behind.url, 'location /pub/ { proxy_pass $relay; proxy_http_version 1.1; }');
  const proxied = await outcomesAt(Number(new URL(nginx).port), behind.arrived);
  for (const [name, { unlike }] of Object.entries(HEADS)) {
    const theirs = proxied[name];
    const ours = relayed[name];
    if (unlike) expect.soft(theirs?.status, name).toBe(unlike[0]);
    else
      expect
        .soft({ ...theirs, status: classOf(theirs?.status) }, name)
        .toEqual({ ...ours, status: classOf(ours?.status) });
  }
}, 60_000);

function classOf(status = 0): number {
  return Math.floor(status / 100);
}

test('a request behind a head that is refused does not run', async () => {
  const behind = await upstream();
  const { port } = await stage(undefined, { environment: { PASS_THROUGH_ROUTES: '/pub/*', UPSTREAM: behind.url } });
  for (const [name, { bytes, status }] of Object.entries(HEADS)) {
    if (status !== 400) continue;
    expect.soft(await statusesOf(port, bytes + get(HOST)), name).toEqual([400]);
    expect.soft(behind.arrived, name).toHaveLength(0);
  }
}, 60_000);
