import { FLAG_OUTER_COOKIES } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { expect, test } from 'vitest';
import { CookieJacket } from '../src/exchange/cookies.ts';
import { SealedClient } from './support/sealed-client.ts';
import { stage } from './support/stage.ts';

const SECRET = 's'.repeat(32);

test('a browser’s HttpOnly cookie is set on the outer hop with its value sealed, and opened toward the upstream', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', ['sid=top-secret; Path=/; HttpOnly', 'theme=dark; Path=/']);
    res.end();
  });
  const client = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
  const first = await client.fetch({ path: '/login' });
  const [sid, theme] = first.outer.headers['set-cookie'] as [string, string];
  expect(sid).toMatch(/^sid=mte1\.[\w-]+; Path=\/; HttpOnly$/);
  expect(theme).toBe('theme=dark; Path=/');
  expect(first.header('set-cookie')).toBeUndefined();
  await client.fetch({ path: '/me' }, { cookie: `${sid.split(';')[0]}; ${theme.split(';')[0]}` });
  expect(seen[1]?.headers.cookie).toBe('sid=top-secret; theme=dark');
});

test('a sealed value that was changed, or moved to another name, is left out', async () => {
  const { port, seen } = await stage();
  const client = await SealedClient.pair(port, { flags: FLAG_OUTER_COOKIES });
  const jacket = new CookieJacket(nodeSuite(), ['x'.repeat(32)], 'all');
  const foreign = jacket.seal('sid=forged', 'c');
  await client.fetch({}, { cookie: `${foreign}; other=kept; broken=mte1.AAAA` });
  expect(seen[0]?.headers.cookie).toBe('other=kept');
});

test('a client that is no browser has its cookies inside, and none on the outer hop', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', 'sid=1; HttpOnly');
    res.end();
  });
  const client = await SealedClient.pair(port);
  const answer = await client.fetch({ headers: [['cookie', 'inner=1']] }, { cookie: 'outer=1' });
  expect(answer.outer.headers['set-cookie']).toBeUndefined();
  expect(answer.header('set-cookie')).toBe('sid=1; HttpOnly');
  expect(seen[0]?.headers.cookie).toBe('inner=1');
});

test('values sealed under the old secret still open while it rotates, and seal anew under the new one', () => {
  const old = new CookieJacket(nodeSuite(), [SECRET], 'all');
  const both = new CookieJacket(nodeSuite(), ['n'.repeat(32), SECRET], 'all');
  const only = new CookieJacket(nodeSuite(), ['n'.repeat(32)], 'all');
  expect(both.open(old.seal('a=1', 'c'), 'c')).toBe('a=1');
  expect(only.open(both.seal('a=1', 'c'), 'c')).toBe('a=1');
  expect(only.open(old.seal('a=1', 'c'), 'c')).toBe('');
});

test('which values are sealed is a setting, and a deletion never is', () => {
  const jackets = { httponly: ['plain', 'sealed'], all: ['sealed', 'sealed'], off: ['plain', 'plain'] } as const;
  for (const [sealing, [visible, httpOnly]] of Object.entries(jackets)) {
    const jacket = new CookieJacket(nodeSuite(), [SECRET], sealing as 'all');
    const kind = (cookie: string): string => (cookie.includes('mte1.') ? 'sealed' : 'plain');
    expect(kind(jacket.seal('a=1', 'c')), sealing).toBe(visible);
    expect(kind(jacket.seal('a=1;httpOnly', 'c')), sealing).toBe(httpOnly);
    expect(jacket.seal('a=; Max-Age=0; HttpOnly', 'c')).toBe('a=; Max-Age=0; HttpOnly');
  }
});

test('a sealed cookie opens in a later session of the same client, and in no session of another one', async () => {
  const { port, seen } = await stage((_req, res) => {
    res.setHeader('set-cookie', 'sid=top-secret; HttpOnly');
    res.end();
  });
  const browser = { flags: FLAG_OUTER_COOKIES };
  const first = await SealedClient.pair(port, browser);
  const token = Buffer.from(first.parameters.clientId).toString('base64url');
  const [sealed] = (await first.fetch({})).outer.headers['set-cookie'] as [string];
  const cookie = sealed.split(';')[0] as string;

  const later = await SealedClient.pair(port, browser);
  await later.fetch({ headers: [['mte-relay-client-id', token]] }, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBe('sid=top-secret');

  const thief = await SealedClient.pair(port, browser);
  await thief.fetch({}, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBeUndefined();
  const forged = Buffer.from(first.parameters.clientId);
  forged[55] = (forged[55] as number) ^ 1;
  const refused = await thief.fetch({ headers: [['mte-relay-client-id', forged.toString('base64url')]] }, { cookie });
  expect(seen.at(-1)?.headers.cookie).toBeUndefined();
  expect(refused.header('mte-relay-client-id')).toBe('unknown');
});
