// One small IndexedDB that the origin's pages and service worker share. Workers cannot use localStorage.

import { orAborted } from '../abort.ts';

const NAME = 'mte-relay';
const VERSION = 2;
/** With broken storage, a browser may report neither a result nor an error. */
const TRANSACTION_TIMEOUT_MS = 5_000;

/** Object stores: client identities by relay, cookie records, and the pending requests of service workers. */
export type StoreName = 'identities' | 'cookies' | 'under-way';

let opened: Promise<IDBDatabase> | undefined;

/**
 * Runs `work` in one transaction and resolves with its result after the commit.
 * @throws DOMException when storage is missing or full, or the transaction times out.
 */
export function transact<T>(
  name: StoreName,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(TRANSACTION_TIMEOUT_MS);
  return orAborted(transacted(name, mode, work, signal), signal);
}

async function transacted<T>(
  name: StoreName,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
  signal: AbortSignal,
): Promise<T> {
  opened ??= open();
  const database = await opened.catch((error) => {
    opened = undefined; // a later attempt may succeed
    throw error;
  });
  signal.throwIfAborted(); // the caller has timed out
  return await new Promise<T>((resolve, reject) => {
    // Relaxed: other workers must see the write, but it need not survive a power failure.
    const transaction = database.transaction(name, mode, { durability: 'relaxed' });
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      for (const name of database.objectStoreNames) database.deleteObjectStore(name);
      database.createObjectStore('identities');
      database.createObjectStore('cookies', { keyPath: ['relay', 'id'] });
      database.createObjectStore('under-way', { autoIncrement: true });
    };
    request.onsuccess = () => {
      const database = request.result;
      // A newer client or the user needs the database. The next transaction reopens it.
      database.onversionchange = () => {
        database.close();
        opened = undefined;
      };
      database.onclose = () => {
        opened = undefined;
      };
      resolve(database);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new DOMException('the database is blocked', 'InvalidStateError'));
  });
}
