// The cookies of one request of a browser (SPEC §9.4), in order: the records and outer cookies that the request carries,
// the `Cookie` of the upstream's request, and what the client is to keep of the upstream's `Set-Cookie`.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  COOKIE_RECORDS_MAX,
  COOKIE_RECORDS_MAX_CHARACTERS,
  COOKIES_FIELD,
  FLAG_HTTPS,
  type RequestHead,
  SCRIPT_COOKIE_FIELD,
  SCRIPT_COOKIES_FIELD,
  SET_COOKIES_FIELD,
} from '@mte-relay/protocol';
import type { Domain } from '../domain.ts';
import { InnerRefusal } from '../failure/planes.ts';
import {
  type Cookie,
  type CookieRequest,
  compareCookies,
  hostOf,
  isSentWith,
  pairOf,
  pairsIn,
  type SiteContext,
  takeCookie,
  writableDefaultPath,
} from '../http/cookie.ts';
import { fieldValue } from '../http/fields.ts';
import { parseSetCookie, withPath } from '../http/set-cookie.ts';
import { pathOf } from '../http/target.ts';
import { COOKIE_NAME_SHOWN_CHARACTERS, COOKIES_NAMED_MAX, COOKIES_OPENED_MAX_CHARACTERS } from '../limits/fixed.ts';
import type { Logger } from '../observe/log.ts';
import {
  CookieRecords,
  type OpenedRecord,
  RECORD_MAX_CHARACTERS,
  RECORD_MIN_CHARACTERS,
} from '../secrets/cookie-records.ts';
import {
  isJarName,
  type JarKeys,
  type JarLife,
  makeJarKey,
  readJarKeys,
  setJarKey,
  setsJarKey,
} from '../secrets/jar-keys.ts';
import type { Session } from '../sessions/store.ts';

/** What decides on the cookies of one request. */
export interface CookieFacts {
  readonly domain: Domain;
  readonly session: Session;
  /** The client id that records are bound to. */
  readonly clientId: string;
  readonly head: RequestHead;
  /** Canonical path and query. */
  readonly target: string;
  readonly req: IncomingMessage;
  /** The outer response, on which cookies can be set; undefined for a WebSocket. */
  readonly res: ServerResponse | undefined;
  readonly log: Logger;
}

/** The cookies of one request. */
export class BrowserCookies {
  readonly #facts: CookieFacts;
  readonly #request: CookieRequest;
  readonly #jars: JarKeys;
  /** The context that the client states; undefined without credentials: it then neither carries nor sets a record. */
  readonly #stated: SiteContext | undefined;
  /** The records of the request; undefined for one that does not open. */
  readonly #carried: readonly (OpenedRecord | undefined)[];
  readonly #isHttps: boolean;
  /** Names of the outer cookies, once a name of COOKIES_OUTER was looked up. */
  #namesOutside: ReadonlySet<string> | undefined;
  /** The records of the request by their ids, once the response sets a cookie. */
  #carriedById: ReadonlyMap<string, Cookie> | undefined;
  /** What this response has set, or deleted (undefined), by record id. */
  readonly #latest = new Map<string, Cookie | undefined>();

  /** @throws InnerRefusal for a field of records that is malformed or too large. */
  constructor(facts: CookieFacts) {
    const { session, head, target, req } = facts;
    this.#facts = facts;
    this.#isHttps = (session.flags & FLAG_HTTPS) !== 0;
    this.#jars = readJarKeys(req.headers.cookie, this.#isHttps);
    const field = fieldValue(head.headers, COOKIES_FIELD);
    const { context, carried } = field === undefined ? NOTHING : this.#opened(field);
    this.#stated = field === undefined ? undefined : context;
    this.#carried = carried;
    this.#request = {
      host: hostOf(session.authority),
      path: pathOf(target),
      isHttps: this.#isHttps,
      context: this.#isCrossSite ? 'none' : context,
    };
  }

  /** The upstream's `Cookie`; empty for none. */
  header(): string {
    const nowMs = Date.now();
    const sent = this.#carried
      .flatMap((opened) => opened?.cookie ?? [])
      .filter((cookie) => isSentWith(cookie, this.#request, nowMs) && !this.#isShownOutside(cookie.name))
      .sort(compareCookies);
    return [...mergedWithScript(sent, this.#cookiesOfScript()), ...this.#outerPairs()].join('; ');
  }

  /**
   * What the client is to keep of a response: fields for the sealed response. Cookies that are to be outside are set on
   * the outer response.
   * @param setCookies values for the client's own host and paths.
   * @param clears true if the response clears all cookies.
   */
  take(setCookies: readonly string[], clears: boolean): [string, string][] {
    const nowMs = Date.now();
    const items: string[] = clears ? ['*'] : this.#repairs();
    const lines: [string, string][] = [];
    for (const setCookie of setCookies) {
      if (setsJarKey(setCookie)) continue; // jar keys are between browser and relay
      const cookie = takeCookie(setCookie, this.#request, nowMs);
      if (this.#isOutside(cookie?.name ?? parseSetCookie(setCookie)?.name ?? '')) this.#setOutside(setCookie);
      else if (cookie && this.#stated !== undefined) this.#keep(cookie, nowMs, clears, items, lines);
    }
    if (clears) for (const opened of this.#carried) this.#forget(opened?.cookie, lines);
    return items.length === 0 ? lines : [[SET_COOKIES_FIELD, items.join(' ')], ...lines];
  }

  get #settings(): Domain['settings'] {
    return this.#facts.domain.settings;
  }

  get #isCrossSite(): boolean {
    const { kept, session } = this.#jars;
    return (kept ?? session)?.isCrossSite ?? isCrossSite(this.#facts.req);
  }

  /** The opened field. A session keeps the last one, since most requests of a page carry the same records. */
  #opened(field: string): OpenedField {
    const { domain, session, clientId } = this.#facts;
    const jars = this.#jars;
    const owner = `${clientId} ${jars.kept?.value} ${jars.session?.value}`;
    const last = LAST_OPENED.get(session);
    if (last?.field === field && last.owner === owner) return last;
    const [context = '', ...records] = split(field);
    if (!isContext(context)) throw new InnerRefusal('request-malformed');
    const carried = records.map((record) => domain.cookies.open(record, clientId, jars));
    const opened = { owner, field, context, carried };
    if (field.length <= COOKIES_OPENED_MAX_CHARACTERS) LAST_OPENED.set(session, opened);
    return opened;
  }

  // Toward the upstream

  /** Cookies of script that the operator lists (COOKIES_FROM_SCRIPT). */
  #cookiesOfScript(): { name: string; value: string }[] {
    const given = fieldValue(this.#facts.head.headers, SCRIPT_COOKIES_FIELD);
    if (given === undefined || this.#stated === undefined) return [];
    return pairsIn(given).filter(({ name }) => this.#settings.COOKIES_FROM_SCRIPT.includes(name));
  }

  /**
   * Outer cookies that cross; the log names the others once. With a request that another site may have caused none
   * crosses: the relay does not know their SameSite.
   */
  #outerPairs(): string[] {
    if (this.#stated !== undefined && this.#stated !== 'strict') return [];
    const crossing: string[] = [];
    for (const pair of pairsIn(this.#facts.req.headers.cookie ?? '')) {
      if (isJarName(pair.name)) continue;
      if (this.#isOutside(pair.name)) crossing.push(pairOf(pair));
      else this.#noteDropped(pair.name);
    }
    return crossing;
  }

  /** True for a cookie that the operator leaves outside of the seal. */
  #isOutside(name: string): boolean {
    const { COOKIES, COOKIES_OUTER } = this.#settings;
    return COOKIES === 'outside' || COOKIES_OUTER.includes(name);
  }

  /** True for such a cookie that the browser shows. Otherwise its record counts, until it has moved outside. */
  #isShownOutside(name: string): boolean {
    if (!this.#isOutside(name)) return false;
    this.#namesOutside ??= new Set(pairsIn(this.#facts.req.headers.cookie ?? '').map((pair) => pair.name));
    return this.#namesOutside.has(name);
  }

  #noteDropped(name: string): void {
    const { domain, log } = this.#facts;
    const { droppedCookies } = domain;
    if (droppedCookies.size >= COOKIES_NAMED_MAX || droppedCookies.has(name)) return;
    // The browser also sends the copies of records that script may read.
    if (this.#settings.COOKIES_FROM_SCRIPT.includes(name)) return;
    if (this.#carried.some((opened) => opened?.cookie.name === name && !opened.cookie.isHttpOnly)) return;
    droppedCookies.add(name);
    const facts = {
      domain: domain.name,
      cookie: name.slice(0, COOKIE_NAME_SHOWN_CHARACTERS),
      setting: 'COOKIES_OUTER',
    };
    log.warn(facts, 'cookie outside of the seal not forwarded');
  }

  // Toward the client

  /** Items for records that the client should not keep as they are. */
  #repairs(): string[] {
    const { kept, session } = this.#jars;
    const showsJar = kept !== undefined || session !== undefined;
    return this.#carried.flatMap((opened, at) => (opened ? this.#repaired(opened, at) : showsJar ? [`~${at}`] : []));
  }

  /** By its place, so that nothing is undone that another response has set meanwhile. */
  #repaired({ cookie, isOld }: OpenedRecord, at: number): string[] {
    if (this.#isOutside(cookie.name)) {
      return this.#isShownOutside(cookie.name) || this.#moveOutside(cookie) ? [`~${at}`] : [];
    }
    const put = isOld ? this.#put(cookie, Date.now()) : '';
    return put === '' ? [] : [`~${at}${put}`];
  }

  #keep(cookie: Cookie, nowMs: number, clears: boolean, items: string[], lines: [string, string][]): void {
    const { domain, clientId } = this.#facts;
    const ids = domain.cookies.idsOf(cookie, clientId);
    const [id] = ids;
    const previous = this.#latest.has(id) ? this.#latest.get(id) : this.#carriedAs(id);
    const isExpired = clears || (cookie.expiresMs !== 0 && cookie.expiresMs <= nowMs);
    if (isExpired) {
      items.push(...ids.map((each) => `-${each}`));
      this.#latest.set(id, undefined);
    } else {
      const kept = { ...cookie, createdUs: previous?.createdUs ?? cookie.createdUs + this.#latest.size };
      const item = this.#put(kept, nowMs);
      if (item === '') return;
      // A relay whose newest secret is another one may have set it meanwhile.
      items.push(...ids.slice(1).map((each) => `-${each}`), item);
      this.#latest.set(id, kept);
    }
    if (!cookie.isHttpOnly) lines.push([SCRIPT_COOKIE_FIELD, lineOf(cookie, isExpired ? 0 : nowMs)]);
    else this.#forget(previous, lines);
  }

  #carriedAs(id: string): Cookie | undefined {
    const { domain, clientId } = this.#facts;
    this.#carriedById ??= new Map(
      this.#carried.flatMap((opened) =>
        opened ? [[domain.cookies.idsOf(opened.cookie, clientId)[0], opened.cookie] as const] : [],
      ),
    );
    return this.#carriedById.get(id);
  }

  #forget(cookie: Cookie | undefined, lines: [string, string][]): void {
    if (cookie && !cookie.isHttpOnly) lines.push([SCRIPT_COOKIE_FIELD, lineOf(cookie, 0)]);
  }

  /** The item that puts a record; empty if the browser has no jar key and can get none. */
  #put(cookie: Cookie, nowMs: number): string {
    const { domain, clientId } = this.#facts;
    const jar = this.#jarFor(CookieRecords.lifeOf(cookie));
    if (!jar) return '';
    const [id] = domain.cookies.idsOf(cookie, clientId);
    const lifetime = cookie.expiresMs === 0 ? '-' : Math.ceil((cookie.expiresMs - nowMs) / 1000);
    return `+${id}:${lifetime}:${domain.cookies.seal(cookie, clientId, jar)}`;
  }

  /** The digest of the browser's jar key, which it gets with this response if it has shown none. */
  #jarFor(life: JarLife): Uint8Array<ArrayBuffer> | undefined {
    if (!this.#jars[life]) {
      const { res, req } = this.#facts;
      if (!res || res.headersSent) return undefined;
      const key = makeJarKey(isCrossSite(req));
      this.#jars[life] = key;
      res.appendHeader('set-cookie', setJarKey(life, key, this.#isHttps));
    }
    return this.#jars[life]?.digest;
  }

  /** A record of a cookie that is to be outside by now moves there, so that its user stays logged in. */
  #moveOutside(cookie: Cookie): boolean {
    return this.#setOutside(`${lineOf(cookie, Date.now())}${cookie.isHttpOnly ? '; HttpOnly' : ''}`);
  }

  /** @returns false if the outer response can no longer set a cookie. */
  #setOutside(setCookie: string): boolean {
    const cookie = parseSetCookie(setCookie);
    const { res, target } = this.#facts;
    if (!cookie || !res || res.headersSent) return false;
    // Without a Path the browser would use that of the outer hop.
    const line = cookie.path
      ? setCookie
      : `${pairOf(cookie)}${withPath(cookie.attributes, writableDefaultPath(pathOf(target)))}`;
    res.appendHeader('set-cookie', line);
    return true;
  }
}

/** Sets the jar keys of a browser on the response to its pairing: those that it shows, renewed, or new ones. */
export function giveJarKeys(req: IncomingMessage, res: ServerResponse, flags: number): void {
  const isHttps = (flags & FLAG_HTTPS) !== 0;
  const shown = readJarKeys(req.headers.cookie, isHttps);
  for (const life of ['kept', 'session'] as const) {
    res.appendHeader('set-cookie', setJarKey(life, shown[life] ?? makeJarKey(isCrossSite(req)), isHttps));
  }
}

/** The records of a request; undefined for one that does not open. */
interface OpenedField {
  /** The client id and the jar keys beside which they were opened. */
  readonly owner: string;
  readonly field: string;
  readonly context: SiteContext;
  readonly carried: readonly (OpenedRecord | undefined)[];
}

const NOTHING = { context: 'none', carried: [] } as const;

/** In memory as long as the session. */
const LAST_OPENED = new WeakMap<Session, OpenedField>();

/** Script replaces a cookie that it may read, and never an HttpOnly one. */
function mergedWithScript(sent: readonly Cookie[], fromScript: readonly { name: string; value: string }[]): string[] {
  const hidden = new Set(sent.flatMap(({ name, isHttpOnly }) => (isHttpOnly ? [name] : [])));
  const set = fromScript.filter(({ name }) => !hidden.has(name));
  const replaced = new Set(set.map(({ name }) => name));
  return [...sent.filter(({ name }) => !replaced.has(name)), ...set].map(pairOf);
}

/** The items of a field of records. Lengths and number are checked before any key is derived. @throws InnerRefusal */
function split(field: string): string[] {
  const items = field.split(' ', COOKIE_RECORDS_MAX + 2);
  const [context = '', ...records] = items;
  const isBounded =
    records.length <= COOKIE_RECORDS_MAX && field.length - context.length - 1 <= COOKIE_RECORDS_MAX_CHARACTERS;
  const areRecords = records.every(({ length }) => length >= RECORD_MIN_CHARACTERS && length <= RECORD_MAX_CHARACTERS);
  if (!isBounded || !areRecords) throw new InnerRefusal('request-malformed');
  return items;
}

function isContext(text: string): text is SiteContext {
  return text === 'strict' || text === 'lax' || text === 'none';
}

/** True if the browser states that a page of another site sends this (W3C Fetch Metadata §2.4). */
function isCrossSite(req: IncomingMessage): boolean {
  return req.headers['sec-fetch-site'] === 'cross-site';
}

/** The `Set-Cookie` of a cookie for script. @param nowMs 0 deletes it. */
function lineOf(cookie: Cookie, nowMs: number): string {
  const { path, domain, isHostOnly, isSecure, isPartitioned, sameSite, expiresMs } = cookie;
  const seconds = nowMs === 0 ? 0 : Math.ceil((expiresMs - nowMs) / 1000);
  return [
    pairOf(cookie),
    `Path=${path.split(';', 1)[0]}`,
    ...(isHostOnly ? [] : [`Domain=${domain}`]),
    ...(expiresMs === 0 && nowMs !== 0 ? [] : [`Max-Age=${seconds}`]),
    ...(isSecure ? ['Secure'] : []),
    ...(isPartitioned ? ['Partitioned'] : []),
    ...(sameSite === '' ? [] : [`SameSite=${sameSite}`]),
  ].join('; ');
}
