// A browser's cookies at one relay (SPEC §9.4): records that only the relay can open, kept for all pages and workers of the
// origin, and the cookies that script may read.
import {
  COOKIE_RECORDS_MAX,
  COOKIE_RECORDS_MAX_CHARACTERS,
  COOKIES_FIELD,
  type Fields,
  SCRIPT_COOKIE_FIELD,
  SCRIPT_COOKIES_FIELD,
  SET_COOKIES_FIELD,
} from '@mte-relay/protocol';
import { ignore } from '../abort.ts';
import { fieldTextOf } from '../platform/field-text.ts';
import type { CookieRecord, Keeper, RecordChange, Repair, ScriptCookies } from '../platform/platform.ts';

/** Which cookies a request may carry by SameSite: all, Lax and None, or None alone. */
export type SiteContext = 'strict' | 'lax' | 'none';

/** What decides on the cookies of a request. */
export interface CookieRequest {
  readonly sameSite: SiteContext;
  /** The page may end at any moment: what was read last is used, without waiting for storage. */
  readonly keepalive: boolean;
  /** Names of cookies of script that the upstream expects. */
  readonly namesFromScript: readonly string[];
}

/** The cookies that a request carries. */
export interface SentCookies {
  readonly fields: Fields;
  /** The records in their order. */
  readonly records: readonly CookieRecord[];
}

/** The cookies of one client. */
export class Cookies {
  readonly #relay: URL;
  readonly #script: ScriptCookies | undefined;
  #keeper: Keeper | undefined;
  /** What was read last; the only copy without a keeper. */
  #known: CookieRecord[] | undefined;

  /** @param keeper undefined for records in memory. */
  constructor(relay: URL, keeper: Keeper | undefined, script: ScriptCookies | undefined) {
    this.#relay = relay;
    this.#keeper = keeper;
    this.#script = script;
  }

  /** The fields of a request with credentials. */
  async send({ sameSite, keepalive, namesFromScript }: CookieRequest): Promise<SentCookies> {
    const known = (keepalive && this.#known) || (await this.#read());
    const records = newest(known.filter(isAlive));
    if (records.length < known.length) {
      // By their content: another page may have renewed one since this page has read it.
      const lost = known.filter((record) => !records.includes(record));
      const repaired = lost.map((former) => ({ former, next: undefined }));
      this.#change({ clear: false, deleted: [], repaired, put: [] }).catch(ignore);
    }
    const fields: [string, string][] = [[COOKIES_FIELD, [sameSite, ...records.map(({ record }) => record)].join(' ')]];
    const fromScript = namesFromScript.length > 0 && this.#script ? await this.#script.read() : '';
    const listed = fromScript.split('; ').filter((pair) => namesFromScript.includes(pair.split('=', 1)[0] as string));
    if (listed.length > 0) fields.push([SCRIPT_COOKIES_FIELD, fieldTextOf(listed.join('; '))]);
    return { fields, records };
  }

  /** Keeps what a response sets. Resolves once all pages and workers of the origin see it. */
  async take(headers: Fields, sent: readonly CookieRecord[]): Promise<void> {
    for (const [name, value] of headers) {
      if (name === SET_COOKIES_FIELD) await this.#change(changeOf(value, sent));
      if (name === SCRIPT_COOKIE_FIELD && this.#isOfPage(value)) await this.#script?.set(textOf(value));
    }
  }

  /** Deletes all records. */
  async clear(): Promise<void> {
    await this.#change({ clear: true, deleted: [], repaired: [], put: [] });
  }

  /** The browser checks a `Domain`; without one the cookie is that of the relay's host. */
  #isOfPage(setCookie: string): boolean {
    return this.#script?.host === this.#relay.hostname || /; Domain=/.test(setCookie);
  }

  async #read(): Promise<CookieRecord[]> {
    if (this.#keeper) {
      try {
        this.#known = await this.#keeper.records(this.#relay.origin);
      } catch {
        this.#keeper = undefined; // storage is blocked or silent: the page's own memory from now on
      }
    }
    this.#known ??= [];
    for (const { setAtMs } of this.#known) lastSetAtMs = Math.max(lastSetAtMs, setAtMs); // the clock may be set back
    return this.#known;
  }

  async #change(change: RecordChange): Promise<void> {
    this.#known = changed(this.#known ?? [], change);
    await this.#keeper?.changeRecords(this.#relay.origin, change).catch(() => {
      this.#keeper = undefined;
    });
  }
}

function isAlive({ expiresAtMs }: CookieRecord): boolean {
  return expiresAtMs === undefined || expiresAtMs > Date.now();
}

/** The newest records that fit into a request, oldest first. */
function newest(records: readonly CookieRecord[]): CookieRecord[] {
  const kept: CookieRecord[] = [];
  let characters = 0;
  for (const record of [...records].sort((one, other) => other.setAtMs - one.setAtMs)) {
    characters += record.record.length + 1;
    if (kept.length === COOKIE_RECORDS_MAX || characters > COOKIE_RECORDS_MAX_CHARACTERS) break;
    kept.push(record);
  }
  return kept.reverse();
}

let lastSetAtMs = 0;

const ITEM = /^(?:(?:~(\d+))?(?:\+([\w-]+):(-|\d+):([\w-]+))?|-([\w-]+)|(\*))$/;

/** The change that a response's items make (SPEC §9.4). Items of another form are ignored. */
function changeOf(items: string, sent: readonly CookieRecord[]): RecordChange {
  const deleted: string[] = [];
  const repaired: Repair[] = [];
  const put = new Map<string, CookieRecord>();
  let clear = false;
  for (const item of items.split(' ')) {
    const [, at, id, seconds, record = '', deletedId, all] = ITEM.exec(item) ?? [];
    const next = id && seconds ? recordOf(id, seconds, record) : undefined;
    if (all) {
      clear = true;
      put.clear();
    } else if (deletedId) {
      put.delete(deletedId);
      deleted.push(deletedId);
    } else if (at) {
      for (const former of sent.slice(Number(at), Number(at) + 1)) repaired.push({ former, next });
    } else if (next) put.set(next.id, next);
  }
  return { clear, deleted, repaired, put: [...put.values()] };
}

function recordOf(id: string, seconds: string, record: string): CookieRecord {
  lastSetAtMs = Math.max(Date.now(), lastSetAtMs + 0.001); // one order for all of a response
  const lifetime = seconds === '-' ? {} : { expiresAtMs: Date.now() + Number(seconds) * 1000 };
  return { id, record, setAtMs: lastSetAtMs, ...lifetime };
}

function changed(records: readonly CookieRecord[], { clear, deleted, repaired, put }: RecordChange): CookieRecord[] {
  const kept = new Map(clear ? [] : records.map((one) => [one.id, one]));
  for (const { former, next } of repaired) {
    if (kept.get(former.id)?.record !== former.record) continue;
    kept.delete(former.id);
    if (next) kept.set(next.id, next);
  }
  for (const id of deleted) kept.delete(id);
  for (const one of put) kept.set(one.id, one);
  return [...kept.values()];
}

/** The text of a field in UTF-8, the reverse of {@link fieldTextOf}. */
function textOf(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}
