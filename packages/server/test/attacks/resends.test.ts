// A request reaches the upstream once (SPEC §7). The relay resends one alone: a safe method on a kept connection that ended
// before the first byte of a response, once, on a new connection (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
import { encodeContent, encodeEnd, encodeRequestStart, type Fields } from '@mte-relay/protocol';
import { relayTo } from '@mte-relay/testing/relay';
import { SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { describe, expect, test } from 'vitest';
import { type RawRequest, type RawUpstream, rawUpstream, UPSTREAM_WAYS } from '../support/raw-upstream.ts';
import { openUpload } from '../support/sealed-upload.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const REQUESTS = UPSTREAM_WAYS.filter(({ isWebSocket }) => !isWebSocket);
const POOLED = REQUESTS.filter(({ name }) => !name.includes('trailers'));
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'PROPFIND'];

type End = (request: RawRequest) => void;
const ENDS: Readonly<Record<string, End>> = {
  closes: ({ socket }) => void socket.end(),
  resets: ({ socket }) => void socket.resetAndDestroy(),
};
const PARTIAL_ENDS: Readonly<Record<string, End>> = {
  'says nothing': () => undefined,
  'closes after a byte of a response': ({ socket }) => void socket.end('H'),
  'closes inside the head of a response': ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncont'),
  'closes after an informational response': ({ socket }) => void socket.end('HTTP/1.1 103 Early Hints\r\n\r\n'),
  'closes after a 100 Continue': ({ socket }) => void socket.end('HTTP/1.1 100 Continue\r\n\r\n'),
  'sends a response that cannot be parsed': ({ socket }) => void socket.write('HTTP/9.1 200 OK\r\n\r\n'),
  'switches protocols': ({ socket }) =>
    void socket.write('HTTP/1.1 101 Up\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
};

describe.each(REQUESTS)('$name', (way) => {
  test.each(Object.keys({ ...ENDS, ...PARTIAL_ENDS }).filter((name) => name !== 'says nothing'))(
    'nothing is resent on a new connection that %s',
    async (name) => {
      const upstream = await rawUpstream({ ...ENDS, ...PARTIAL_ENDS }[name] as End);
      const { port, client } = await relayBefore(upstream);
      for (const [at, method] of METHODS.entries()) {
        expect(await way.ask(port, client, '/pub/x', method), method).toMatchObject({ status: 502 });
        expect(upstream.heads, method).toHaveLength(at + 1);
      }
    },
  );
});

describe.each(POOLED)('$name', (way) => {
  test.each(Object.keys(ENDS))('a safe method is resent once on a kept connection that %s', async (name) => {
    const upstream = await rawUpstream((request) => {
      if (request.nth > 1) ENDS[name]?.(request);
      else request.socket.write(OK);
    });
    const { port, client } = await relayBefore(upstream);
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      await way.ask(port, client, '/pub/before', 'GET');
      upstream.heads.length = 0;
      expect(await way.ask(port, client, '/pub/x', method), method).toMatchObject({ status: 200, code: undefined });
      expect(upstream.heads.length, method).toBeGreaterThan(1);
      expect(upstream.heads.length, method).toBeLessThan(4);
    }
  });

  test('the second try is on a new connection, and the last one', async () => {
    const upstream = await rawUpstream(({ head, socket, nth }) => {
      if (head.includes('/cut') && (nth > 1 || upstream.heads.length > 8)) socket.end();
      else socket.write(OK);
    });
    const { port, client } = await relayBefore(upstream);
    // Eight kept connections, each of which the upstream will close.
    await Promise.all(Array.from({ length: 8 }, () => way.ask(port, client, '/pub/before', 'GET')));
    const before = upstream.heads.length;
    const { connections } = upstream;
    expect(await way.ask(port, client, '/pub/cut', 'GET')).toMatchObject({ status: 502, code: 'upstream-failed' });
    expect(upstream.heads.length - before).toBe(2);
    expect(upstream.connections - connections).toBe(1);
  });

  test.each(Object.keys(ENDS))('no other method is resent on a kept connection that %s', async (name) => {
    const upstream = await rawUpstream((request) => {
      if (request.nth > 1) ENDS[name]?.(request);
      else request.socket.write(OK);
    });
    const { port, client } = await relayBefore(upstream);
    for (const method of METHODS.slice(3)) {
      await way.ask(port, client, '/pub/before', 'POST');
      upstream.heads.length = 0;
      expect(await way.ask(port, client, '/pub/x', method), method).toMatchObject({ status: 502 });
      expect(upstream.heads, method).toHaveLength(1);
    }
  });

  test.each(Object.keys(PARTIAL_ENDS))('nothing is resent on a kept connection that %s', async (name) => {
    const upstream = await rawUpstream((request) => {
      if (request.nth > 1) PARTIAL_ENDS[name]?.(request);
      else request.socket.write(OK);
    });
    const { port, client } = await relayBefore(upstream);
    for (const method of ['GET', 'PUT', 'DELETE']) {
      await way.ask(port, client, '/pub/before', 'POST');
      upstream.heads.length = 0;
      expect(await way.ask(port, client, '/pub/x', method), method).toMatchObject({
        status: name === 'says nothing' ? 504 : 502,
      });
      expect(upstream.heads, method).toHaveLength(1);
    }
  });
});

describe.each(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT', 'POST', 'PURGE'])(
  'a %s whose content-length is wrong',
  (method) => {
    const tooLong: Fields = [['content-length', '9']];
    const tooShort: Fields = [['content-length', '2']];
    const none: Fields = [['content-length', '0']];

    test('whole: it is refused, and reaches no upstream', async () => {
      const { port, seen } = await stage();
      const client = await SealedClient.pair(port);
      for (const headers of [tooLong, tooShort, none]) {
        const response = await client.fetch({ method, headers, body: 'hello' });
        expect(response.header('mte-relay-failure')).toBe('request-malformed');
      }
      expect((await client.fetch({ method, headers: tooLong })).header('mte-relay-failure')).toBe('request-malformed');
      expect(seen).toHaveLength(0);
    });

    test.each([
      ['longer', tooLong, 'hello'],
      ['shorter', tooShort, 'hello'],
      ['none', none, 'hello'],
      ['longer than nothing', tooLong, ''],
    ])('a stream, announced as %s: it is refused, and no upstream sees it end', async (_name, headers, content) => {
      let whole = 0;
      const { port } = await stage((req, res) => {
        req.on('error', () => undefined);
        req.resume().on('end', () => {
          whole += 1;
          // The content that was announced may be whole at the upstream before the client's message is.
          setTimeout(() => res.end(), 50);
        });
      });
      const client = await SealedClient.pair(port);
      const { exchange, req, response } = await openUpload(client);
      const head = { method, scheme: 'http', authority: 'relay.example', path: '/up', headers: withSentTime(headers) };
      req.write(await exchange.seal(encodeRequestStart(head)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (content !== '') req.write(await exchange.seal(encodeContent(new TextEncoder().encode(content))));
      await new Promise((resolve) => setTimeout(resolve, 20));
      req.end(await exchange.sealFinal(encodeEnd()));
      let text = '';
      for await (const piece of await response) text += Buffer.from(piece).toString('latin1');
      expect(text).toContain('request-malformed');
      if (Number(headers[0]?.[1]) > content.length) expect(whole).toBe(0);
    });
  },
);

async function relayBefore({ url }: Pick<RawUpstream, 'url'>): Promise<{ port: number; client: SealedClient }> {
  const relay = endsWithTest(relayTo(url, { PASS_THROUGH_ROUTES: '/pub/*', UPSTREAM_HEADERS_TIMEOUT_MS: '1000' }));
  const port = await relay.listen(0);
  return { port, client: await SealedClient.pair(port) };
}
