// The queue for room in a session: a place that becomes free is taken at once, and nobody stays behind in the queue of a
// session that has been replaced.
import type { SessionParameters } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { expect, test } from 'vitest';
import { type Lease, Session, Sessions } from '../src/session/session.ts';

const IN_FLIGHT = 512;
/** Well before a waiter looks by itself. */
const AT_ONCE = { timeout: 2_000 };

const PARAMETERS: SessionParameters = {
  sid: new Uint8Array(16),
  lifetimeMs: 3_600_000,
  idleMs: 900_000,
  messageLimit: 1_048_576,
  window: 1024,
  requestBodyMaxBytes: 100_000_000,
  storeEpochMs: 0,
  storeAgeMs: 0,
  lineage: new Uint8Array(16),
  relayTimeMs: Date.now(),
  messageAgeMaxMs: 120_000,
  padToBytes: 0,
  clientId: new Uint8Array(16),
  cookiesFromScript: [],
};

/** A pool whose first session is full, and the numbers in flight in it. */
async function fullPool(): Promise<{ sessions: Sessions; leases: Lease[]; failPairings: () => void }> {
  let fails = false;
  const secret = (): Uint8Array<ArrayBuffer> => new Uint8Array(32);
  const pair = async (): Promise<Session> => {
    if (fails) throw new Error('no pairing');
    const secrets = { request: secret(), response: secret(), exporter: secret() };
    return Session.create(nodeSuite(), PARAMETERS, secrets, 'sha256-');
  };
  const sessions = new Sessions(
    pair,
    async () => undefined,
    () => undefined,
  );
  const leases = await Promise.all(Array.from({ length: IN_FLIGHT }, () => sessions.lease(undefined)));
  return {
    sessions,
    leases,
    failPairings() {
      fails = true;
    },
  };
}

function end(lease: Lease | undefined): void {
  lease?.session.settle(lease.n, true);
}

/** Counts what settles. */
function counted(waiters: readonly Promise<unknown>[]): { leased: number; failed: number } {
  const counts = { leased: 0, failed: 0 };
  for (const waiter of waiters) {
    waiter.then(
      () => {
        counts.leased += 1;
      },
      () => {
        counts.failed += 1;
      },
    );
  }
  return counts;
}

test('a free place goes to the waiter that came first', async () => {
  const { sessions, leases } = await fullPool();
  const order: string[] = [];
  for (const name of ['first', 'second']) void sessions.lease(undefined).then(() => order.push(name));
  end(leases[0]);
  end(leases[1]);
  await expect.poll(() => order, AT_ONCE).toEqual(['first', 'second']);
});

test('a waiter that is aborted as its turn comes leaves it to the next one', async () => {
  const { sessions, leases } = await fullPool();
  const abort = new AbortController();
  const counts = counted([sessions.lease(abort.signal), sessions.lease(undefined)]);
  end(leases[0]);
  abort.abort();
  await expect.poll(() => counts, AT_ONCE).toEqual({ leased: 1, failed: 1 });
});

test('all waiters move on to a session that replaces theirs, as far as it has room', async () => {
  const { sessions, leases } = await fullPool();
  const counts = counted(Array.from({ length: 700 }, () => sessions.lease(undefined)));
  await sessions.renew();
  await expect.poll(() => counts, AT_ONCE).toEqual({ leased: IN_FLIGHT, failed: 0 });
  for (const lease of leases) end(lease); // of the old session: nobody waits there any more
  expect(counts.leased).toBe(IN_FLIGHT);
});

test('when a session is over and cannot be replaced, all of its waiters fail', async () => {
  const { sessions, leases, failPairings } = await fullPool();
  const counts = counted(Array.from({ length: 700 }, () => sessions.lease(undefined)));
  failPairings();
  sessions.clear();
  end(leases[0]);
  await expect.poll(() => counts, AT_ONCE).toEqual({ leased: 0, failed: 700 });
});
