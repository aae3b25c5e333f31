import { expect, test } from 'vitest';
import { ClientIds } from '../../src/secrets/client-id.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ids = new ClientIds(['a'.repeat(32)]);
const field = (token: Uint8Array): string => Buffer.from(token).toString('base64url');

test('an issued id verifies until it expires', () => {
  const { id, token } = ids.issue(1_000);
  expect(ids.verify(field(token), 1_000)?.id).toBe(id);
  expect(ids.verify(field(token), 1_000 + 30 * DAY_MS - 1)?.id).toBe(id);
  expect(ids.verify(field(token), 1_000 + 30 * DAY_MS)).toBeUndefined();
});

test('a token that is older than a day is renewed, with the same id', () => {
  const { id, token } = ids.issue(1_000);
  expect(ids.verify(field(token), 1_000 + DAY_MS)?.renewed).toBeUndefined();
  const renewed = ids.verify(field(token), 1_001 + DAY_MS)?.renewed as string;
  expect(ids.verify(renewed, 1_000 + 31 * DAY_MS)?.id).toBe(id);
});

test('a token with any one byte changed, cut or added to does not', () => {
  const { token } = ids.issue(1_000);
  for (let at = 0; at < token.length; at += 1) {
    const changed = token.slice();
    changed[at] = (changed[at] as number) ^ 1;
    expect(ids.verify(field(changed), 1_000), `byte ${at}`).toBeUndefined();
    expect(ids.verify(field(token.subarray(0, at)), 1_000)).toBeUndefined();
  }
  expect(ids.verify(`${field(token)}AA`, 1_000)).toBeUndefined();
  expect(ids.verify('', 1_000)).toBeUndefined();
});

test('while the secret rotates, old tokens verify and new ones are issued under the new secret', () => {
  const { id, token } = ids.issue(1_000);
  const both = new ClientIds(['b'.repeat(32), 'a'.repeat(32)]);
  const next = new ClientIds(['b'.repeat(32)]);
  const verified = both.verify(field(token), 1_000);
  expect(verified?.id).toBe(id);
  expect(next.verify(verified?.renewed as string, 1_000)?.id).toBe(id);
  expect(next.verify(field(token), 1_000)).toBeUndefined();
  const fresh = both.issue(1_000);
  expect(next.verify(field(fresh.token), 1_000)?.id).toBe(fresh.id);
});
