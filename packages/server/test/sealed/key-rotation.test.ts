// CLIENT_ID_SECRET and RELAY_IDENTITY_SEED as "new,old": every key pairs, the newest is shown first, and what the old
// secret signed and sealed stays good. That clients of every pin go on is tested with the client.
import { createHash } from 'node:crypto';
import { runRelayCommand } from '@mte-relay/testing/relay-process';
import { SealedClient, send } from '@mte-relay/testing/sealed-client';
import { type Stage, stage } from '@mte-relay/testing/stage';
import { TestBrowser } from '@mte-relay/testing/test-browser';
import { expect, test } from 'vitest';

const OLD = 'kJ8m2QwX0zTgVn5rB7cYhL4pD9sFeA1u';
const NEW = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';

interface Shown {
  readonly keyId: string;
  readonly publicKey: string;
}

async function discovery({ port }: Stage): Promise<Shown & { keys?: Shown[] }> {
  const { body } = await send(port, '/api/mte-relay', { method: 'GET' });
  return JSON.parse(Buffer.from(body).toString()) as Shown & { keys?: Shown[] };
}

function staged(secret: string): Promise<Stage> {
  return stage(
    (req, res) => {
      if (req.url === '/login') res.setHeader('set-cookie', 'sid=top-secret; HttpOnly');
      res.end();
    },
    { environment: { CLIENT_ID_SECRET: secret } },
  );
}

test('discovery shows the newest key, and every key while there are several', async () => {
  const before = await discovery(await staged(OLD));
  const after = await discovery(await staged(NEW));
  expect(before.keys).toBeUndefined();
  const during = await staged(`${NEW},${OLD}`);
  const shown = await discovery(during);
  expect(shown).toMatchObject({ keyId: after.keyId, publicKey: after.publicKey });
  expect(shown.keys).toEqual([
    { keyId: after.keyId, publicKey: after.publicKey },
    { keyId: before.keyId, publicKey: before.publicKey },
  ]);
  const digest = createHash('sha256').update(Buffer.from(after.publicKey, 'base64')).digest('base64');
  expect(during.relay.pin).toBe(`sha256-${digest}`);
});

test('the relay accepts a pairing to either key, and refuses one to a third', async () => {
  const during = await staged(`${NEW},${OLD}`);
  for (const { publicKey } of (await discovery(during)).keys ?? []) {
    const client = await SealedClient.pair(during.port, {
      publicKey: new Uint8Array(Buffer.from(publicKey, 'base64')),
    });
    expect((await client.fetch({ path: '/' })).head.status).toBe(200);
  }
  expect(during.seen).toHaveLength(2);
  const third = await discovery(await staged('x'.repeat(32)));
  const pairing = SealedClient.pair(during.port, { publicKey: new Uint8Array(Buffer.from(third.publicKey, 'base64')) });
  await expect(pairing).rejects.toThrow('422 key-unknown');
});

test('cookies and client ids of the old secret move to the new one in use, and are good until it is removed', async () => {
  const before = await staged(OLD);
  const browser = await TestBrowser.pair(before.port);
  await browser.fetch({ path: '/login' });
  const unused = { records: new Map(browser.records), clientId: browser.clientId };
  const cookiesSeen = async (secret: string): Promise<string | undefined> => {
    const { port, seen } = await staged(secret);
    await browser.pair(port);
    await browser.fetch({ path: '/me' });
    return seen[0]?.headers.cookie;
  };
  expect(await cookiesSeen(`${OLD},${NEW}`)).toBe('sid=top-secret');
  expect(await cookiesSeen(`${NEW},${OLD}`)).toBe('sid=top-secret');
  expect(browser.records.size).toBe(1);
  expect([...browser.records]).not.toEqual([...unused.records]);
  expect(browser.clientId).not.toBe(unused.clientId);
  expect(await cookiesSeen(NEW)).toBe('sid=top-secret');
  Object.assign(browser, unused);
  expect(await cookiesSeen(NEW)).toBeUndefined();
});

test('identity prints every pin, newest first, and with several domains each with its host', async () => {
  const pinOf = async (environment: Record<string, string>): Promise<string> =>
    (await runRelayCommand(['identity'], environment)).stdout;
  const [before, after] = [await pinOf({ CLIENT_ID_SECRET: OLD }), await pinOf({ CLIENT_ID_SECRET: NEW })];
  expect(await pinOf({ CLIENT_ID_SECRET: `${NEW},${OLD}` })).toBe(after + before);
  const DOMAIN_MAP = JSON.stringify({ a: {}, b: { client_id_secret: NEW } });
  expect(await pinOf({ CLIENT_ID_SECRET: OLD, DOMAIN_MAP })).toBe(`a ${before}b ${after}`);
});
