// A session store of one's own, here in memory, responding later as a remote one would. Its rules:
//   - create and claim must reach the one true copy: a claim gives 'fresh' once for each number, on any pod;
//   - an ended session stays until its absolute expiry, for cancels alone;
//   - a store that lost its data must report a newer birth, and one that cannot know vouches for nothing with zeros;
//   - a lineage, 16 bytes, names the store: only one that never loses a claim while it keeps the session may have one;
//   - secrets of sessions must be sealed wherever they are written down.
import { ReplayWindow, StoreFullError } from '@mte-relay/server';

const IDLE_MS = 15 * 60_000;
const ABSOLUTE_MS = 60 * 60_000;
const LINEAGE = crypto.getRandomValues(new Uint8Array(16));
const NOT_A_PROMISE_OF_AGE = { epochMs: 0, ageMs: 0, lineage: LINEAGE };

// biome-ignore lint/style/noDefaultExport: the relay calls a module's default export
export default function sessionStore(settings) {
  const sessions = new Map();
  const nameOf = (sid) => Buffer.from(sid).toString('hex');

  /** The session that is kept under this id, unless it has expired; notes that it has ended. */
  function current(sid) {
    const session = sessions.get(nameOf(sid));
    if (!session) return undefined;
    const nowMs = performance.now();
    if (nowMs - session.createdMs > ABSOLUTE_MS) {
      sessions.delete(nameOf(sid));
      return undefined;
    }
    if (nowMs - session.lastClaimMs > IDLE_MS) session.ended = true;
    return session;
  }

  return {
    ready: true,
    birth: async () => NOT_A_PROMISE_OF_AGE,
    async create({ sid, requestSecret, responseSecret, domain, authority, flags, clientId }) {
      if (sessions.size >= settings.SESSIONS_MAX) throw new StoreFullError(`${sessions.size} sessions are stored`);
      const nowMs = performance.now();
      sessions.set(nameOf(sid), {
        ...{ sid, requestSecret, responseSecret, domain, authority, flags, clientId },
        ...{ window: new ReplayWindow(), createdMs: nowMs, lastClaimMs: nowMs, ended: false },
      });
    },
    find: async (sid) => current(sid),
    async claim({ sid }, n, purpose) {
      const session = current(sid);
      if (!session || (session.ended && purpose === 'exchange')) return 'gone';
      const claim = session.window.claim(n);
      if (claim === 'fresh' && !session.ended) session.lastClaimMs = performance.now();
      return claim;
    },
    async close() {
      sessions.clear();
    },
  };
}
