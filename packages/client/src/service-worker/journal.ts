// Records the requests that were pending when a worker ended. When a browser ends a worker before its response, it may
// start another one and repeat the same fetch event (Chromium does), and a POST could run twice. So the worker records each
// request that is not idempotent before it sends it, and refuses one that comes back.

import { RelayClientError } from '../api/errors.ts';
import { transact } from '../platform/database.ts';

/** After the start of a worker, a request may repeat one of its predecessor for this long. */
const COMES_BACK_WITHIN_MS = 20_000;
/** Lifetime of an ended worker's records once another worker has read them, since that one may end early too. */
const NOTES_KEPT_MS = 300_000;
/** Requests are compared by this much of their body, and by its length and type. */
const BODY_LOOKED_AT_BYTES = 65_536;

interface Entry {
  readonly scope: string;
  readonly instance: string;
  /** SHA-256 that identifies the request. The request itself is not stored. */
  readonly digest: string;
  /** When a later worker first read it, ms of the wall clock. */
  readonly leftAtMs?: number;
}

/** A record of an ended worker. */
interface Left {
  readonly key: IDBValidKey;
  readonly digest: string;
}

/** The pending requests of one worker. */
export class Journal {
  readonly #scope: string;
  readonly #instance = crypto.randomUUID();
  readonly #startedAtMs = performance.now();
  #left: Promise<Left[]> | undefined;

  /** @param scope of the registration, because other workers of the origin have their own requests. */
  constructor(scope: string) {
    this.#scope = scope;
  }

  /**
   * Records a request before it is sent. Resolves with the function that deletes the record.
   * @param arrivedAtMs performance.now() at the fetch event, before the body was read.
   * @throws RelayClientError `may-have-run` for a request that an earlier worker had begun; `storage-unavailable` when the
   *   record cannot be stored.
   */
  async begin(
    clientId: string,
    request: Request,
    body: Blob | undefined,
    arrivedAtMs: number,
  ): Promise<() => Promise<void>> {
    const digest = await digestOf(clientId, request, body);
    try {
      this.#left ??= this.#readLeft();
      const left = await this.#left.catch((error) => {
        this.#left = undefined; // a later attempt may succeed
        throw error;
      });
      const at = left.findIndex((note) => note.digest === digest);
      if (at >= 0 && arrivedAtMs - this.#startedAtMs < COMES_BACK_WITHIN_MS) {
        const [{ key }] = left.splice(at, 1) as [Left];
        await transact('under-way', 'readwrite', (store) => store.delete(key));
        throw cameBack(request);
      }
      const entry: Entry = { scope: this.#scope, instance: this.#instance, digest };
      const key = await transact('under-way', 'readwrite', (store) => store.add(entry));
      return async () => {
        await transact('under-way', 'readwrite', (store) => store.delete(key));
      };
    } catch (cause) {
      if (cause instanceof RelayClientError) throw cause;
      throw new RelayClientError(
        'storage-unavailable',
        `${request.method} was not sent: cannot record it first, and without a record it might run twice`,
        { cause },
      );
    }
  }

  /** The requests that ended workers had begun. Their records stay until they come back, since this worker may end first. */
  async #readLeft(): Promise<Left[]> {
    const left: Left[] = [];
    const nowMs = Date.now();
    await transact('under-way', 'readwrite', (store) => {
      const cursors = store.openCursor();
      cursors.onsuccess = () => {
        const cursor = cursors.result;
        if (!cursor) return;
        const entry = cursor.value as Entry;
        if (entry.scope === this.#scope && entry.instance !== this.#instance) {
          const { digest, leftAtMs = nowMs } = entry;
          left.push({ key: cursor.primaryKey, digest });
          if (nowMs - leftAtMs > NOTES_KEPT_MS) cursor.delete();
          else if (entry.leftAtMs === undefined) cursor.update({ ...entry, leftAtMs });
        }
        cursor.continue();
      };
      return cursors;
    });
    return left;
  }
}

function cameBack({ method, url }: Request): RelayClientError {
  return new RelayClientError(
    'may-have-run',
    `${method} ${new URL(url).pathname} may have run: the browser ended the service worker before the response`,
    { mayHaveRun: true },
  );
}

async function digestOf(clientId: string, request: Request, body: Blob | undefined): Promise<string> {
  const facts = [clientId, request.method, request.url, request.headers.get('content-type'), body?.size];
  const looked = new Blob([JSON.stringify(facts), body?.slice(0, BODY_LOOKED_AT_BYTES) ?? '']);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await looked.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}
