// What each runtime's fetch does by itself must not make a POST run twice: some send a request again on a new connection,
// and show the failure of that one alone.
import { join } from 'node:path';
import { MESSAGE_TYPE_EXCHANGE } from '@mte-relay/protocol';
import { type IntermediaryResponse, TestRelay } from '@mte-relay/testing/test-relay';
import { describe, expect, onTestFinished, test } from 'vitest';
import { outputOf } from './support/conformance.ts';
import { INSTALLED } from './support/installed.ts';

const RUNTIMES: [string, string, string[]][] = [
  ['node', process.execPath, []],
  ['deno', join(INSTALLED, '.bin/deno'), ['run', '--quiet', '--no-lock', '--node-modules-dir=manual', '--allow-all']],
  ['bun', join(INSTALLED, '.bin/bun'), ['run']],
];

/** Without a response the connection is reset. */
const RESPONSES: [string, IntermediaryResponse | undefined][] = [
  ['resets the connection', undefined],
  ['responds 421', { status: 421, headers: { connection: 'close' }, body: new Uint8Array(0) }],
];

async function setUp(): Promise<TestRelay> {
  const relay = await TestRelay.start();
  onTestFinished(() => relay.stop());
  return relay;
}

describe.each(RUNTIMES)('a POST in %s', (_name, command, options) => {
  const post = async ({ url, pin }: TestRelay): Promise<string> =>
    (await outputOf(command, [...options, 'test/runtimes/entry/post-once.ts', url, pin])).trim();

  test.each(RESPONSES)(
    'runs once, and may have run, when an intermediary forwards it, %s and is gone',
    async (_what, response) => {
      const relay = await setUp();
      let exchanges = 0;
      relay.intermediary = async ({ header, forward }) => {
        const forwarded = await forward();
        if (header?.type !== MESSAGE_TYPE_EXCHANGE) return forwarded;
        exchanges += 1;
        if (exchanges === 1) return forwarded;
        relay.refuseConnections();
        return response;
      };
      expect(await post(relay)).toBe('may-have-run true');
      expect(relay.ran.map(({ method }) => method)).toEqual(['GET', 'POST']);
    },
  );

  test('has not run when its connection is refused', async () => {
    const relay = await setUp();
    relay.intermediary = async ({ header, forward }) => {
      const forwarded = await forward();
      if (header?.type !== MESSAGE_TYPE_EXCHANGE) return forwarded;
      relay.refuseConnections();
      return { ...forwarded, headers: { ...forwarded.headers, connection: 'close' } };
    };
    expect(await post(relay)).toBe('unreachable false');
  });
});
