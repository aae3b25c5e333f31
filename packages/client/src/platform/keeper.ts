// What the pages and workers of an origin share of one relay, in IndexedDB: the client's identity and its cookie records.
import { transact } from './database.ts';
import type { CookieRecord, Keeper, KeptIdentity } from './platform.ts';

type Row = CookieRecord & { readonly relay: string };

export const keeper: Keeper = {
  async identity(relayOrigin, decide) {
    let decided: KeptIdentity | undefined;
    await transact('identities', 'readwrite', (store) => {
      const present = store.get(relayOrigin);
      present.onsuccess = () => {
        decided = decide(present.result as KeptIdentity | undefined);
        if (decided !== present.result) store.put(decided, relayOrigin);
      };
      return present;
    });
    return decided as KeptIdentity;
  },
  async records(relayOrigin) {
    return await transact<Row[]>('cookies', 'readonly', (store) => store.getAll(rowsOf(relayOrigin)));
  },
  async changeRecords(relay, { clear, deleted, repaired, put }) {
    await transact('cookies', 'readwrite', (store) => {
      if (clear) store.delete(rowsOf(relay));
      for (const id of deleted) store.delete([relay, id]);
      const settled = new Set([...deleted, ...put.map(({ id }) => id)]); // what follows a get would come after their puts
      for (const { former, next } of repaired) {
        const present = store.get([relay, former.id]) as IDBRequest<Row | undefined>;
        present.onsuccess = () => {
          if (settled.has(former.id) || present.result?.record !== former.record) return;
          store.delete([relay, former.id]);
          if (next && !settled.has(next.id)) store.put({ ...next, relay });
        };
      }
      for (const row of put) store.put({ ...row, relay });
      return store.count();
    });
  },
};

function rowsOf(relayOrigin: string): IDBKeyRange {
  return IDBKeyRange.bound([relayOrigin], [relayOrigin, []]); // an array is above every text
}
