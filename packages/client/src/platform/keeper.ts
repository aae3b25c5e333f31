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
  async changeRecords(relayOrigin, { clear, deleted, dropped, put }) {
    await transact('cookies', 'readwrite', (store) => {
      if (clear) store.delete(rowsOf(relayOrigin));
      for (const id of deleted) store.delete([relayOrigin, id]);
      const replaced = new Set(put.map(({ id }) => id)); // a delete after a get would come after their puts
      for (const { id, record } of dropped) {
        if (replaced.has(id)) continue;
        const present = store.get([relayOrigin, id]) as IDBRequest<Row | undefined>;
        present.onsuccess = () => {
          if (present.result?.record === record) store.delete([relayOrigin, id]);
        };
      }
      for (const row of put) store.put({ ...row, relay: relayOrigin });
      return store.count();
    });
  },
};

function rowsOf(relayOrigin: string): IDBKeyRange {
  return IDBKeyRange.bound([relayOrigin], [relayOrigin, []]); // an array is above every text
}
