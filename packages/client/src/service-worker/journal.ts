// Which requests were under way when a worker ended. When a browser ends a worker before it has answered, it may start
// another one and hand it the same request again, as if for the first time (Chromium does). Run again, a POST could run
// twice; so each request that is not idempotent is noted before it is sent, and one that comes back is refused.

import { RelayClientError } from '../api/errors.ts';
import { transact } from '../platform/database.ts';

/** How long after the start of a worker a request may be one that its predecessor had begun. */
const COMES_BACK_WITHIN_MS = 20_000;
/** How long the notes of an ended worker are kept once another has seen them: that one may be ended early too. */
const NOTES_KEPT_MS = 300_000;
/** How much of a body tells requests apart, beside its length and its type. */
const BODY_LOOKED_AT_BYTES = 65_536;

interface Entry {
  readonly scope: string;
  readonly instance: string;
  /** SHA-256 of what tells the request from others: nothing of the request itself is stored. */
  readonly digest: string;
  /** When a later worker first saw it, ms of the wall clock. */
  readonly leftAtMs?: number;
}

/** A note of a worker that has ended. */
interface Left {
  readonly key: IDBValidKey;
  readonly digest: string;
}

/** The requests of one worker, from its start to its end. */
export class Journal {
  readonly #scope: string;
  readonly #instance = crypto.randomUUID();
  readonly #startedAtMs = performance.now();
  #left: Promise<Left[]> | undefined;

  /** @param scope of the registration: other workers of the origin have other requests. */
  constructor(scope: string) {
    this.#scope = scope;
  }

  /**
   * Notes a request before it is sent; the function that it gives takes the note off again.
   * @param arrivedAtMs when the browser handed the request over, of performance.now(): a large body takes its time.
   * @throws RelayClientError `may-have-run` for one that a worker before this one had begun; `storage-unavailable` when
   *   nothing can be noted.
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
        this.#left = undefined; // another time it may work
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
        `${request.method} was not sent: it could not be noted first, without which it might run twice`,
        { cause },
      );
    }
  }

  /** What ended workers had begun. It stays noted until it has come back, since this worker may be ended before that. */
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
    `${method} ${new URL(url).pathname} may have run: the browser ended the service worker before the answer came`,
    { mayHaveRun: true },
  );
}

async function digestOf(clientId: string, request: Request, body: Blob | undefined): Promise<string> {
  const facts = [clientId, request.method, request.url, request.headers.get('content-type'), body?.size];
  const looked = new Blob([JSON.stringify(facts), body?.slice(0, BODY_LOOKED_AT_BYTES) ?? '']);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await looked.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}
