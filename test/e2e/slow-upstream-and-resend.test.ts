// An intermediary that lets a PUT pass and refuses it meanwhile: the client resends it while the first copy still waits,
// in the relay or at the upstream. It must not come behind later writes (SPEC §7).
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RelayHooks } from '@mte-relay/server';
import { contentOf } from '@mte-relay/testing/content';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import { stage } from '@mte-relay/testing/stage';
import { expect, onTestFinished, test } from 'vitest';

const SLOW_MS = 1_000;

/** Passes everything on, and refuses the first exchange 100 ms after it has passed it on. */
async function refusingFirst(relayPort: number): Promise<string> {
  let exchanges = 0;
  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = await contentOf(req);
    const isFirst = req.url === '/api/mte' && exchanges++ === 0;
    const passed = request({ port: relayPort, path: req.url, method: req.method, headers: req.headers }, (response) => {
      if (isFirst) return void response.resume();
      res.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(res);
    });
    passed.on('error', () => res.destroy());
    passed.end(body);
    if (!isFirst) return;
    await sleep(100);
    res.writeHead(503).end();
  };
  const server = createServer((req, res) => void serve(req, res));
  const port = await listen(server);
  onTestFinished(() => closeServer(server));
  return urlOf(port);
}

/** Once for the first request. */
function slowOnce(): () => Promise<undefined> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls === 1) await sleep(SLOW_MS);
    return undefined;
  };
}

async function putOverNewerWrites(hooks: RelayHooks, slow: () => Promise<undefined>): Promise<void> {
  const stored: string[] = [];
  const { port, pin } = await stage(
    async (req, res) => {
      const value = (await contentOf(req)).toString();
      await slow();
      stored.push(value);
      res.end();
    },
    { hooks },
  );
  const client = sdkClient({ url: await refusingFirst(port), pin });
  const put = (body: string): Promise<string> =>
    client.fetch('/dose', { method: 'PUT', body }).then(
      ({ status }) => `${status}`,
      ({ code }) => code,
    );
  const outcomes = [await put('20'), await put('5')];
  await sleep(SLOW_MS + 500);
  // Either the first call says that it may still run, or what it wrote is no longer the last.
  if (outcomes[0] === '200') expect(stored.at(-1)).toBe('5');
  else expect(outcomes).toEqual(['may-have-run', '200']);
}

test('a PUT that waits in the relay, for its hook, does not come behind later writes', async () => {
  await putOverNewerWrites({ onRequest: slowOnce() }, async () => undefined);
});

// "Already claimed" does not show that the first copy has ended at the upstream.
test.fails('a PUT that waits at the upstream does not come behind later writes', async () => {
  await putOverNewerWrites({}, slowOnce());
});
