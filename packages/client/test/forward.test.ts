// `forward`, for proxies: what fetch would change goes through as it is.
import { gzipSync } from 'node:zlib';
import { inPieces, never } from '@mte-relay/testing/pieces';
import { expect, test } from 'vitest';
import { setUpForwarder } from './support/setup.ts';

async function contentOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('target and field lines arrive as given, and none is added', async () => {
  const { relay, client } = await setUpForwarder();
  const headers = [
    ['X-One', '1'],
    ['x-one', '2'],
    ['accept-language', 'x'],
  ] as const;
  await client.forward({ method: 'QUERY', target: "/a/../b//c?q='<>'", headers });
  expect(relay.ran[0]).toMatchObject({
    method: 'QUERY',
    path: "/a/../b//c?q='<>'",
    authority: new URL(relay.url).host,
    headers: [
      ['x-one', '1'],
      ['x-one', '2'],
      ['accept-language', 'x'],
    ],
  });
});

test('the response keeps its content coding, its lines and its redirect', async () => {
  const { relay, client } = await setUpForwarder();
  const content = gzipSync('hello');
  const headers = [
    ['content-encoding', 'gzip'],
    ['location', '/elsewhere'],
    ['link', '<a>'],
    ['link', '<b>'],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
  ] as const;
  relay.upstream = () => ({ status: 302, headers, content });
  const response = await client.forward({ method: 'GET', target: '/', headers: [] });
  expect(response.status).toBe(302);
  expect(response.headers).toEqual(headers);
  expect((await contentOf(response.body)).equals(content)).toBe(true);
  expect(relay.ran.length).toBe(1);
});

test('a GET may have a body, of bytes or of pieces', async () => {
  const { relay, client } = await setUpForwarder();
  await client.forward({ method: 'GET', target: '/', headers: [], body: Buffer.from('bytes') });
  const pieces = inPieces([Buffer.from('pi'), Buffer.from('eces')]);
  await client.forward({ method: 'GET', target: '/', headers: [], body: pieces });
  expect(relay.ran.map(({ content }) => content.toString())).toEqual(['bytes', 'pieces']);
});

test("the client's own identity field cannot be given", async () => {
  const { relay, client } = await setUpForwarder();
  await client.forward({ method: 'GET', target: '/', headers: [['MTE-Relay-Client-Id', 'forged']] });
  expect(relay.ran[0]?.headers).toEqual([]);
});

test('a truncated response errors at its end, and the signal ends one with its reason', async () => {
  const { relay, client } = await setUpForwarder();
  relay.upstream = () => ({ content: inPieces([new Uint8Array(1000)]) });
  relay.intermediary = async (outer) => {
    const response = await outer.forward();
    return outer.header ? { ...response, cutAtBytes: 500 } : response;
  };
  const cut = await client.forward({ method: 'GET', target: '/', headers: [] });
  await expect(contentOf(cut.body)).rejects.toMatchObject({ code: 'response-truncated', mayHaveRun: true });

  relay.intermediary = undefined;
  relay.upstream = () => ({ content: inPieces([new Uint8Array(1000)], never()) });
  const abort = new AbortController();
  const open = await client.forward({ method: 'GET', target: '/', headers: [], signal: abort.signal });
  const reading = contentOf(open.body);
  abort.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
});

test.each([
  [{ target: 'http://elsewhere/' }, 'target expected'],
  [{ target: '' }, 'target expected'],
  [{ target: '/\u{20ac}' }, 'one byte per character'],
  [{ headers: [['a', '\u{20ac}']] as const }, 'one byte per character'],
  [{ headers: Array.from({ length: 256 }, () => ['a', 'b'] as const) }, 'up to 254 fields'],
])('%j is misuse, and nothing is sent', async (part, said) => {
  const { relay, client } = await setUpForwarder();
  const refused = client.forward({ method: 'GET', target: '/', headers: [], ...part });
  await expect(refused).rejects.toMatchObject({ code: 'misuse', message: expect.stringContaining(said) });
  expect(relay.outer).toEqual([]);
});
