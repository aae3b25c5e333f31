// A browser as a relay sees it, for tests: keeps the outer cookies that the relay sets, and cookie records by SPEC §9.4,
// over a bare sealed client.
import {
  CLIENT_ID_FIELD,
  COOKIE_RECORDS_MAX,
  COOKIES_FIELD,
  type Fields,
  FLAG_COOKIE_RECORDS,
  SCRIPT_COOKIE_FIELD,
  SET_COOKIES_FIELD,
} from '@mte-relay/protocol';
import { type InnerRequest, type InnerResponse, type PairingOptions, SealedClient } from './sealed-client.ts';

/** How one request is sent. */
export interface BrowserRequest extends InnerRequest {
  /** Default `strict`; undefined as `'omit'`: without credentials. */
  readonly context?: 'strict' | 'lax' | 'none' | 'omit';
  /** More fields of the outer request. */
  readonly outer?: Record<string, string>;
}

/** One browser: one jar, one client id, any number of sessions. */
export class TestBrowser {
  /** Outer cookies, by name. */
  readonly jar = new Map<string, string>();
  /** Records, by record id, the one set longest ago first. */
  readonly records = new Map<string, string>();
  /** What the relay has told script to set. */
  readonly scriptCookies: string[] = [];
  clientId: string | undefined;
  #client: SealedClient | undefined;
  readonly #options: PairingOptions;

  constructor(options: PairingOptions = {}) {
    this.#options = { flags: FLAG_COOKIE_RECORDS, ...options };
  }

  /** A browser that has paired with the relay of this port. */
  static async pair(port: number, options: PairingOptions = {}): Promise<TestBrowser> {
    const browser = new TestBrowser(options);
    await browser.pair(port);
    return browser;
  }

  /** A new session, as after a reload, or with another relay. */
  async pair(port: number): Promise<void> {
    const headers = { ...this.#options.headers, ...this.#shown() };
    const authority = this.#options.authority ?? `127.0.0.1:${port}`; // loopback: a secure context on http
    const client = await SealedClient.pair(port, { ...this.#options, authority, headers });
    this.#client = client;
    this.#keepOuter(client.pairingHeaders['set-cookie']);
    this.clientId ??= Buffer.from(client.parameters.clientId).toString('base64url');
  }

  get client(): SealedClient {
    return this.#client as SealedClient;
  }

  /** The inner fields of a request. */
  fields(context: BrowserRequest['context'] = 'strict'): [string, string][] {
    const fields: [string, string][] = [[CLIENT_ID_FIELD, this.clientId as string]];
    if (context !== 'omit') fields.push([COOKIES_FIELD, [context, ...this.records.values()].join(' ')]);
    return fields;
  }

  async fetch({ context, outer, ...request }: BrowserRequest = {}): Promise<InnerResponse> {
    const headers = [...(request.headers ?? []), ...this.fields(context)];
    const sent = [...this.records];
    const response = await this.client.fetch({ ...request, headers }, { ...this.#shown(), ...outer });
    this.#keepOuter(response.outer.headers['set-cookie']);
    this.keep(response.head.headers, context === 'omit' ? [] : sent);
    return response;
  }

  /** The browser is closed: it forgets the cookies of its session. */
  restart(): void {
    for (const name of this.jar.keys()) if (name.endsWith('session-jar')) this.jar.delete(name);
  }

  #shown(): Record<string, string> {
    return this.jar.size === 0 ? {} : { cookie: [...this.jar].map((pair) => pair.join('=')).join('; ') };
  }

  #keepOuter(setCookies: readonly string[] = []): void {
    for (const setCookie of setCookies) {
      const [pair = '', ...attributes] = setCookie.split('; ');
      const equalsAt = pair.indexOf('=');
      if (attributes.includes('Max-Age=0')) this.jar.delete(pair.slice(0, equalsAt));
      else this.jar.set(pair.slice(0, equalsAt), pair.slice(equalsAt + 1));
    }
  }

  /** Keeps what a response sets. @param sent the records of its request. Default: all that are kept. */
  keep(headers: Fields, sent: readonly (readonly [id: string, record: string])[] = [...this.records]): void {
    for (const [name, value] of headers) {
      if (name === CLIENT_ID_FIELD && value !== 'unknown') this.clientId = value;
      if (name === SCRIPT_COOKIE_FIELD) this.scriptCookies.push(value);
      if (name === SET_COOKIES_FIELD) for (const item of value.split(' ')) this.#keepItem(item, sent);
    }
    for (const id of this.records.keys()) if (this.records.size > COOKIE_RECORDS_MAX) this.records.delete(id);
  }

  #keepItem(item: string, sent: readonly (readonly [id: string, record: string])[]): void {
    const { id = '', record = '', deleted, at } = ITEM.exec(item)?.groups ?? {};
    const [formerId = '', former] = sent[Number(at)] ?? [];
    if (item === '*') this.records.clear();
    else if (deleted !== undefined) this.records.delete(deleted);
    else if (at !== undefined) {
      if (former === undefined || this.records.get(formerId) !== former) return; // replaced meanwhile
      this.records.delete(formerId);
      if (record !== '') this.#put(id, record);
    } else if (record !== '') this.#put(id, record);
  }

  #put(id: string, record: string): void {
    this.records.delete(id); // so that it is the newest
    this.records.set(id, record);
  }
}

/** Items of the field of records, except for "*". */
const ITEM = /^(?:(?:~(?<at>\d+))?(?:\+(?<id>[\w-]+):(?:-|\d+):(?<record>[\w-]+))?|-(?<deleted>[\w-]+))$/;
