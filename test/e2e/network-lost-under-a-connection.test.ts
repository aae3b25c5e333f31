// The far side becomes unreachable while a large POST is in progress, and node ends the live connection with
// the errors that connect gives too. Only those of connect mean that nothing was sent.
import { printed, type RunningProcess } from '@mte-relay/testing/processes';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FAR_ADDRESS, IP, type Loss, Network, type Side } from './support/network.ts';

const LARGE_BYTES = 32 * 1024 * 1024;

const refusal = Network.refusal();
if (refusal) console.error(`A network of the test's own is refused, so its tests are skipped: ${refusal}`);

async function setUp(
  relaySide: Side,
): Promise<{ network: Network; backend: RunningProcess; relay: RunningProcess; poster: RunningProcess }> {
  const network = Network.make(IP as string);
  onTestFinished(() => network.remove());
  const backend = network.start('far', 'test/e2e/support/printing-backend.ts', []);
  const upstreamPort = (await printed(backend, /listening on (\d+)\./))[1];
  const relay = network.start(relaySide, 'packages/server/bin/mte-relay-server.js', ['start'], {
    UPSTREAM: `http://${relaySide === 'far' ? '127.0.0.1' : FAR_ADDRESS}:${upstreamPort}`,
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
    PORT: '0',
    ADMIN_PORT: 'off',
    KEEP_ALIVE_TIMEOUT_MS: '1000', // so that the next request connects
  });
  const port = (await printed(relay, /"port":(\d+)/))[1];
  const pin = (await printed(relay, /"pin":"([^"]+)"/))[1] as string;
  const url = `http://${relaySide === 'far' ? FAR_ADDRESS : '127.0.0.1'}:${port}`;
  const poster = network.start('near', 'test/e2e/support/poster.ts', [url, pin]);
  await printed(poster, /paired\./);
  return { network, backend, relay, poster };
}

const say = ({ child }: RunningProcess, line: string | number): unknown => child.stdin.write(`${line}\n`);
const ran = (backend: RunningProcess, call: number): number =>
  backend
    .output()
    .split('\n')
    .filter((line) => line === `ran POST /post/${call}`).length;

describe.skipIf(refusal !== undefined)('a network of the test’s own (ip, root)', () => {
  test.each<Loss>(['EHOSTUNREACH', 'ENETUNREACH'])(
    'the client’s way to the relay, %s: a POST in progress runs once and may have run; one that cannot connect has not',
    async (loss) => {
      const { network, backend, poster } = await setUp('far');
      say(poster, LARGE_BYTES);
      await printed(backend, /ran POST \/post\/1/);
      network.lose(loss);
      expect((await printed(poster, /failed: (.*)\./))[1]).toBe(`read ${loss}`);
      network.mend(loss); // a second run would now get through
      say(poster, 'go on');
      expect((await printed(poster, /told 1: (.*)\./))[1]).toBe('may-have-run true');
      expect(ran(backend, 1)).toBe(1);

      network.lose(loss);
      say(poster, LARGE_BYTES);
      expect((await printed(poster, /failed: (connect .*)\./))[1]).toBe(`connect ${loss}`);
      say(poster, 'go on');
      expect((await printed(poster, /told 2: (.*)\./))[1]).toBe('unreachable false');
      expect(ran(backend, 2)).toBe(0);
    },
  );

  test.each<Loss>(['EHOSTUNREACH', 'ENETUNREACH'])(
    'the relay’s way to the upstream, %s: a POST in progress may have been seen; one that cannot connect has not',
    async (loss) => {
      const { network, backend, relay, poster } = await setUp('near');
      say(poster, LARGE_BYTES);
      await printed(backend, /ran POST \/post\/1/);
      network.lose(loss);
      expect((await printed(poster, /told 1: (.*)\./))[1]).toMatch(/^502 upstream-failed .*"upstreamSaw":"maybe"/);
      expect((await printed(relay, /"fault":\{[^}]*"code":"(\w+)"/))[1]).toBe(loss);

      say(poster, 1);
      expect((await printed(poster, /told 2: (.*)\./))[1]).toMatch(/^502 upstream-unreachable .*"upstreamSaw":"no"/);
      network.mend(loss);
      say(poster, 1);
      expect((await printed(poster, /told 3: (.*)\./))[1]).toBe('200 null ok');
      expect([1, 2, 3].map((call) => ran(backend, call))).toEqual([1, 0, 1]);
    },
  );
});
