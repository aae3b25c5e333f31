// Browser storage that is missing, or never responds: the client keeps no identities, and does not wait for ever.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

type Opening = Partial<Record<'onsuccess' | 'onerror' | 'onblocked', () => void>> & { result?: unknown };

const RELAY = 'https://relay.example';

describe('the identity of a browser’s client', () => {
  let openings: Opening[];
  let keep: (token: string) => Promise<string>;

  beforeEach(async () => {
    openings = [];
    vi.resetModules(); // the database is opened once per page
    const { platform } = await import('../src/platform/browser.ts');
    keep = (token) => platform.keepClientId(RELAY, token, undefined);
    vi.stubGlobal('indexedDB', {
      open() {
        const opening: Opening = {};
        openings.push(opening);
        return opening;
      },
    });
  });

  afterEach(() => vi.unstubAllGlobals());

  test('is its own when the database does not open, and shared again when it does', async () => {
    expect(await keep('own')).toBe('own');
    const database = databaseOf(() => ({ result: 'of an earlier page' }));
    Object.assign(openings[0] as Opening, { result: database }).onsuccess?.();
    expect(await keep('own')).toBe('of an earlier page');
    expect(openings).toHaveLength(1);
    expect(database.begun, 'the attempt that timed out does not run afterwards').toBe(1);
  });

  test('is its own when a transaction is never committed', async () => {
    const kept = keep('own');
    await vi.waitUntil(() => openings.length > 0);
    Object.assign(openings[0] as Opening, { result: databaseOf(() => undefined) }).onsuccess?.();
    expect(await kept).toBe('own');
  });

  test('is its own where there is no storage', async () => {
    vi.stubGlobal('indexedDB', undefined);
    expect(await keep('own')).toBe('own');
  });
});

/** @param result of each `get`; undefined never fires. */
function databaseOf(result: () => { result: string } | undefined): { begun: number } {
  return {
    begun: 0,
    transaction() {
      this.begun += 1;
      const transaction: { oncomplete?: () => void; objectStore(): unknown } = {
        objectStore: () => ({
          get() {
            const request: { result?: string; onsuccess?: () => void } = {};
            queueMicrotask(() => {
              const given = result();
              if (!given) return;
              Object.assign(request, given).onsuccess?.();
              transaction.oncomplete?.();
            });
            return request;
          },
        }),
      };
      return transaction;
    },
  } as { begun: number };
}
