// Two relays that know nothing of each other behind one address: a request that ran on the first must not run on the second,
// although the second one's store is newer and older than the call (SPEC §7, store epoch rule).
import { createServer, request } from 'node:http';
import { createRelayClient, RelayClientError } from '@mte-relay/client';
import { Backend } from '@mte-relay/testing/backend';
import { contentOf } from '@mte-relay/testing/content';
import { relayProcessTo } from '@mte-relay/testing/relay-process';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { expect, onTestFinished, test } from 'vitest';

const TYPE_EXCHANGE = 1;

/** Leads to the first port until it has dropped the response to an exchange, from then on to the second. */
async function startSwitch(ports: readonly [number, number]): Promise<{ url: string; dropNext(): void }> {
  let at = 0;
  let drops = false;
  const server = createServer(async (req, res) => {
    const body = await contentOf(req);
    const { url: path, method, headers } = req;
    const out = request({ port: ports[at], host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
      if (drops && path === '/api/mte' && body[1] === TYPE_EXCHANGE) {
        drops = false;
        at = 1;
        return void res.socket?.resetAndDestroy();
      }
      res.writeHead(response.statusCode as number, response.rawHeaders);
      response.pipe(res);
    });
    out.on('error', () => res.destroy());
    out.end(body);
  });
  const url = urlOf(await listen(server));
  onTestFinished(() => closeServer(server));
  return {
    url,
    dropNext() {
      drops = true;
    },
  };
}

test.each([
  ['of one identity, by default', {}, {}],
  [
    'with pinned keys of their own, each sole',
    { SOLE_INSTANCE: 'true' },
    { SOLE_INSTANCE: 'true', CLIENT_ID_SECRET: 'another secret of thirty-two characters' },
  ],
])('two relays in memory %s: what ran on the first fails with may-have-run', async (_name, one, two) => {
  const upstream = endsWithTest(await new Backend((req, res) => void contentOf(req).then(() => res.end('ok'))).start());
  const first = await relayProcessTo(upstream.url, one);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const before = upstream.ran.length;
    const second = await relayProcessTo(upstream.url, two); // its store is newer than every session with the first
    const way = await startSwitch([first.port, second.port]);
    const client = endsWithTest(createRelayClient(way.url, { pins: [first.pin, second.pin] }));
    await (await client.fetch('/warm')).text();
    way.dropNext();
    const outcome: unknown = await client.fetch('/pay', { method }).catch((error: unknown) => error);
    expect(outcome, method).toBeInstanceOf(RelayClientError);
    expect(outcome).toMatchObject({ code: 'may-have-run', mayHaveRun: true });
    expect(upstream.ran.slice(before)).toEqual(['GET /warm', `${method} /pay`]);
    expect((await client.fetch('/after', { method })).status).toBe(200); // and the client goes on
  }
});
