// Browser storage that is missing, or never responds: the client keeps identity and cookies in memory, and does not wait
// for ever.
import type { SessionParameters } from '@mte-relay/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Session } from '../src/session/session.ts';

type Opening = Partial<Record<'onsuccess' | 'onerror' | 'onblocked', () => void>> & { result?: unknown };

const RELAY = 'https://relay.example';
const PIN = 'sha256-pin';

function sessionOf(token: string): Session {
  const clientId = new Uint8Array(Buffer.from(token, 'base64url'));
  return { parameters: { clientId } as Partial<SessionParameters>, pin: PIN } as Session;
}

describe('the identity of a browser’s client', () => {
  let openings: Opening[];
  let keep: (token: string) => Promise<string>;

  beforeEach(async () => {
    openings = [];
    vi.resetModules(); // the database is opened once per page
    const { keeper } = await import('../src/platform/keeper.ts');
    const { ClientIdentity } = await import('../src/session/identity.ts');
    keep = async (token) => {
      const identity = new ClientIdentity(RELAY, [PIN], keeper);
      await identity.adopt(sessionOf(token));
      const [, kept = token] = identity.fieldsIn(sessionOf(token))[0] ?? [];
      return kept;
    };
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
    expect(await keep('own-')).toBe('own-');
    const database = databaseOf(() => ({ result: { token: 'of-an-earlier-page', pin: PIN } }));
    Object.assign(openings[0] as Opening, { result: database }).onsuccess?.();
    expect(await keep('own-')).toBe('of-an-earlier-page');
    expect(openings).toHaveLength(1);
    expect(database.begun, 'the attempt that timed out does not run afterwards').toBe(1);
  });

  test('is its own when a transaction is never committed', async () => {
    const kept = keep('own-');
    await vi.waitUntil(() => openings.length > 0);
    Object.assign(openings[0] as Opening, { result: databaseOf(() => undefined) }).onsuccess?.();
    expect(await kept).toBe('own-');
  });

  test('is its own where there is no storage', async () => {
    vi.stubGlobal('indexedDB', undefined);
    expect(await keep('own-')).toBe('own-');
  });
});

/** @param result of each `get`; undefined never fires. */
function databaseOf(result: () => { result: object } | undefined): { begun: number } {
  return {
    begun: 0,
    transaction() {
      this.begun += 1;
      const transaction: { oncomplete?: () => void; objectStore(): unknown } = {
        objectStore: () => ({
          get() {
            const request: { result?: object; onsuccess?: () => void } = {};
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
