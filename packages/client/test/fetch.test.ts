// fetch as the platform has it: inputs, bodies, responses (Fetch Standard), through a relay over a real socket.
import { bytes, field } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

test('a call gets a sealed response, and a second one costs exactly one HTTP request', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ path }) => ({ status: 201, headers: [['x-a', 'b']], content: `hello ${path}` });
  const { fetch } = client; // detached
  const response = await fetch(`${relay.url}/one?q=1#fragment`);
  expect(response).toBeInstanceOf(Response);
  expect(response.status).toBe(201);
  expect(response.ok).toBe(true);
  expect(response.headers.get('x-a')).toBe('b');
  expect(response.url).toBe(`${relay.url}/one?q=1`);
  expect(response.redirected).toBe(false);
  expect(response.clone().url).toBe(response.url);
  expect(await response.text()).toBe('hello /one?q=1');
  expect(relay.outer).toEqual(['/api/mte-relay', '/api/mte-pair', '/api/mte']);
  await (await fetch('/two')).text();
  expect(relay.outer.slice(3)).toEqual(['/api/mte']);
  expect(relay.ran[0]).toMatchObject({ method: 'GET', scheme: 'http', authority: `127.0.0.1:${relay.port}` });
});

test('parallel first calls share one pairing', async () => {
  const { relay, client } = await setUp();
  const responses = await Promise.all(Array.from({ length: 30 }, (_, i) => client.fetch(`/${i}`)));
  await Promise.all(responses.map((response) => response.text()));
  expect(relay.count('/api/mte-pair')).toBe(1);
  expect(relay.ran.length).toBe(30);
});

const MIB = new Uint8Array(1_048_576).map((_, i) => i % 251);

test.each<[string, () => BodyInit, number, string | undefined]>([
  ['string', () => 'grüße', 7, 'text/plain;charset=UTF-8'],
  ['empty string', () => '', 0, 'text/plain;charset=UTF-8'],
  ['URLSearchParams', () => new URLSearchParams({ a: 'b c' }), 5, 'application/x-www-form-urlencoded;charset=UTF-8'],
  ['ArrayBuffer', () => MIB.slice(0, 10).buffer, 10, undefined],
  ['view into a larger buffer', () => MIB.subarray(5, 25), 20, undefined],
  ['Blob', () => new Blob([MIB.subarray(0, 99)], { type: 'image/png' }), 99, 'image/png'],
  ['65,536 bytes', () => MIB.slice(0, 65_536), 65_536, undefined],
  ['65,400 bytes', () => MIB.slice(0, 65_400), 65_400, undefined],
  ['1 MiB', () => MIB.slice(), 1_048_576, undefined],
  ['large Blob', () => new Blob([MIB, MIB]), 2_097_152, undefined],
  ['stream', () => new Blob([MIB]).stream(), 1_048_576, undefined],
])('sends a body: %s', async (_name, make, sizeBytes, type) => {
  const { relay, client } = await setUp();
  await client.fetch('/', { method: 'POST', body: make(), duplex: 'half' });
  const call = relay.ran[0];
  const sent = new Uint8Array(await new Response(make()).arrayBuffer());
  expect(call?.content.length).toBe(sizeBytes);
  expect(call?.content.equals(sent)).toBe(true);
  expect(field(call, 'content-type')).toBe(type);
});

test('a FormData body arrives with the boundary its content type names', async () => {
  const { relay, client } = await setUp();
  const form = new FormData();
  form.set('name', 'value');
  form.set('file', new Blob([MIB.subarray(0, 70_000)]), 'a.bin');
  await client.fetch('/', { method: 'POST', body: form });
  const call = relay.ran[0];
  const received = await new Response(new Uint8Array(call?.content ?? []), {
    headers: { 'content-type': field(call, 'content-type') ?? '' },
  }).formData();
  expect(received.get('name')).toBe('value');
  expect((received.get('file') as File).size).toBe(70_000);
});

test('content-length distinguishes a missing body from an empty one, as in fetch', async () => {
  const { relay, client } = await setUp();
  await client.fetch('/', { method: 'DELETE' });
  await client.fetch('/', { method: 'DELETE', body: '' });
  await client.fetch('/', { method: 'POST' });
  await client.fetch('/', { method: 'POST', body: 'abc' });
  expect(relay.ran.map((call) => field(call, 'content-length'))).toEqual([undefined, '0', '0', '3']);
});

test('a Request is taken as fetch takes it: method, fields, body, and it is used up', async () => {
  const { relay, client } = await setUp();
  const request = new Request(`${relay.url}/r`, { method: 'PATCH', body: '{"a":1}', headers: { 'x-h': '1' } });
  await client.fetch(request, { headers: { 'x-i': '2' } });
  expect(relay.ran[0]).toMatchObject({ method: 'PATCH', path: '/r' });
  expect(field(relay.ran[0], 'x-i')).toBe('2');
  expect(relay.ran[0]?.content.toString()).toBe('{"a":1}');
  expect(request.bodyUsed).toBe(true);
  await expect(client.fetch(request)).rejects.toThrow(TypeError);
  const large = new Request(`${relay.url}/r`, { method: 'PUT', body: MIB });
  await client.fetch(large);
  expect(relay.ran[1]?.content.equals(MIB)).toBe(true);
});

test('it refuses what fetch refuses: GET with a body, stream without duplex, bad header', async () => {
  const { relay, client } = await setUp();
  await expect(client.fetch('/', { body: 'x' })).rejects.toThrow(TypeError);
  await expect(client.fetch('/', { method: 'POST', body: new Blob(['x']).stream() })).rejects.toThrow(TypeError);
  await expect(client.fetch('/', { headers: { 'a b': 'c' } })).rejects.toThrow(TypeError);
  await expect(client.fetch('http://[')).rejects.toThrow(TypeError);
  expect(relay.outer).toEqual([]);
});

test('another origin is refused before anything is sent', async () => {
  const { relay, client } = await setUp();
  await expect(client.fetch('https://example.com/')).rejects.toMatchObject({
    name: 'RelayClientError',
    code: 'origin-not-relayed',
    mayHaveRun: false,
  });
  await expect(client.fetch(`${relay.url}/`, { integrity: 'sha256-abc' })).rejects.toMatchObject({
    code: 'option-unsupported',
  });
  expect(relay.outer).toEqual([]);
});

test('hop-by-hop fields of the caller do not go inside, others do', async () => {
  const { relay, client } = await setUp();
  await client.fetch('/', {
    headers: { 'transfer-encoding': 'x', cookie: 'a=b', 'mte-relay-client-id': 'forged', te: 't' },
  });
  const names = relay.ran[0]?.headers.map(([name]) => name);
  expect(names).toEqual(['cookie', 'accept', 'accept-encoding', 'user-agent']);
});

test.each([204, 205, 304])('status %d has a null body', async (status) => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status, headers: [['etag', '"x"']] });
  const response = await client.fetch('/');
  expect(response.status).toBe(status);
  expect(response.body).toBeNull();
  expect(response.headers.get('etag')).toBe('"x"');
});

test('HEAD has a null body and keeps content-length', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ headers: [['content-length', '1234']] });
  const response = await client.fetch('/', { method: 'HEAD' });
  expect(response.body).toBeNull();
  expect(response.headers.get('content-length')).toBe('1234');
});

test('duplicate response fields are joined, set-cookie is kept apart', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({
    headers: [
      ['x-d', '1'],
      ['x-d', '2'],
      ['set-cookie', 'a=1; Path=/'],
      ['set-cookie', 'b=2'],
    ],
  });
  const { headers } = await client.fetch('/');
  expect(headers.get('x-d')).toBe('1, 2');
  expect(headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
});

test("the relay's own inner failures are ordinary responses", async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 502, headers: [['mte-relay-failure', 'upstream-unreachable']], content: '{}' });
  const response = await client.fetch('/', { method: 'POST' });
  expect(response.status).toBe(502);
  expect(response.headers.get('mte-relay-failure')).toBe('upstream-unreachable');
  expect(relay.ran.length).toBe(1);
});

test('content codings are undone as fetch undoes them', async () => {
  const { relay, client } = await setUp();
  const zipped = new Blob([MIB]).stream().pipeThrough(new CompressionStream('gzip'));
  const content = new Uint8Array(await new Response(zipped).arrayBuffer());
  relay.upstream = () => ({ headers: [['content-encoding', 'gzip']], content });
  const response = await client.fetch('/');
  expect(field(relay.ran[0], 'accept-encoding')).toBe('gzip, deflate');
  expect(Buffer.from(await response.arrayBuffer()).equals(MIB)).toBe(true);
});

test('a response streams: pieces come as they are sent, with back-pressure', async () => {
  const { relay, client } = await setUp();
  let produced = 0;
  relay.upstream = () => ({
    content: (async function* () {
      for (; produced < 2000; produced += 1) yield await Promise.resolve(new Uint8Array(60_000));
    })(),
  });
  const response = await client.fetch('/');
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(first?.value?.length).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(produced).toBeLessThan(1000); // 120 MB would not fit into socket buffers
  await reader?.cancel();
  await expect.poll(() => relay.closedEarly).toBe(1);
});

test('a flushed event arrives before the response ends', async () => {
  const { relay, client } = await setUp();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  relay.upstream = () => ({
    headers: [['content-type', 'text/event-stream']],
    content: (async function* () {
      yield bytes('data: 1\n\n');
      await held;
      yield bytes('data: 2\n\n');
    })(),
  });
  const response = await client.fetch('/');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe('data: 1\n\n');
  release();
  expect((await reader?.read())?.value).toBe('data: 2\n\n');
  expect((await reader?.read())?.done).toBe(true);
});

test('upload and download progress count bytes of the body, up to its size', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ content }) => ({ headers: [['content-length', `${content.length}`]], content });
  const up: number[] = [];
  const down: number[] = [];
  const response = await client.fetch('/', {
    method: 'POST',
    body: MIB,
    onUploadProgress: ({ loadedBytes, totalBytes }) => up.push(loadedBytes, totalBytes ?? -1),
    onDownloadProgress: ({ loadedBytes, totalBytes }) => down.push(loadedBytes, totalBytes ?? -1),
  });
  expect((await response.arrayBuffer()).byteLength).toBe(MIB.length);
  expect(up.length).toBeGreaterThan(10);
  expect(up.slice(-2)).toEqual([MIB.length, MIB.length]);
  expect(down.slice(-2)).toEqual([MIB.length, MIB.length]);
  const small: number[] = [];
  await client.fetch('/', {
    method: 'POST',
    body: 'abc',
    onUploadProgress: ({ loadedBytes }) => small.push(loadedBytes),
  });
  expect(small).toEqual([3]);
});
