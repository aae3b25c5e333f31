// Words of a hostile upstream that every object inherits, and a relay's URL with a secret in it.
import { createRelayClient } from '@mte-relay/client';
import { inPieces } from '@mte-relay/testing/pieces';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

test.each(['constructor', '__proto__', 'toString', 'valueOf'])(
  'content-encoding: %s is one that is unknown',
  async (coding) => {
    const { relay, client } = await setUp();
    relay.upstream = () => ({ headers: [['content-encoding', coding]], content: 'as it is' });
    const response = await client.fetch('/');
    expect(await response.text()).toBe('as it is');
  },
);

test.each(['https://user:secret@relay.example', 'https://:secret@relay.example'])(
  'a relay’s URL with credentials is refused, and the error does not repeat them',
  (url) => {
    expect(() => createRelayClient(url)).toThrow(
      expect.objectContaining({ code: 'misuse', message: expect.not.stringContaining('secret') }),
    );
  },
);

test.each([
  ['gzip', 'at once', []],
  ['deflate', 'at once', []],
  ['gzip', 'behind its head', inPieces([])],
])('content-encoding: %s and no byte of content, %s, is empty content', async (coding, _, content) => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({
    headers: [['content-encoding', coding]],
    content: Array.isArray(content) ? new Uint8Array(0) : content,
  });
  expect(await (await client.fetch('/')).text()).toBe('');
});
