// One small IndexedDB of the page's origin, shared by its pages and its service worker: localStorage is not for workers.

import { orAborted } from '../abort.ts';

const NAME = 'mte-relay';
const VERSION = 1;
/** Of a browser whose storage is broken, nothing may ever come: neither a result nor an error. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Object stores: client identities by relay, and requests of a service worker that have begun. */
export type StoreName = 'identities' | 'under-way';

let opened: Promise<IDBDatabase> | undefined;

/**
 * Does something in one transaction and gives its result once that is committed.
 * @throws DOMException where there is no storage, it is full, or it does not answer.
 */
export function transact<T>(
  name: StoreName,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
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
    opened = undefined; // another time it may work
    throw error;
  });
  signal.throwIfAborted(); // nobody waits for it any more
  return await new Promise<T>((resolve, reject) => {
    // Relaxed: what counts is that another worker sees it, not that it survives a power cut.
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
      request.result.createObjectStore('identities');
      request.result.createObjectStore('under-way', { autoIncrement: true });
    };
    request.onsuccess = () => {
      const database = request.result;
      // A later version of this client, or the user, wants it: it is opened again when it is needed.
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
