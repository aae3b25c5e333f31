// The differences between runtimes. Adapters translate only; their callers decide.
import type { Fields, Suite } from '@mte-relay/protocol';
import type { OuterHop } from '../outer/hop.ts';
import type { RequestBody } from './body.ts';
import type { OpenedResponse, ResponseFacts } from './response-parts.ts';

/** Stores what the clients of an origin share, for one relay each. Rejects when storage is missing, full or silent. */
export interface Keeper {
  /** Replaces the identity by what `decide` makes of it, in one step, and resolves with the result. */
  identity(relayOrigin: string, decide: (present: KeptIdentity | undefined) => KeptIdentity): Promise<KeptIdentity>;
  /** All cookie records. */
  records(relayOrigin: string): Promise<CookieRecord[]>;
  /** Changes records in one step. */
  changeRecords(relayOrigin: string, change: RecordChange): Promise<void>;
}

/** A client id (SPEC §3.5), and the pin of the relay that issued it. */
export interface KeptIdentity {
  readonly token: string;
  readonly pin: string;
}

/** A cookie record (SPEC §9.4). */
export interface CookieRecord {
  readonly id: string;
  readonly record: string;
  /** Unix time, ms; undefined for a cookie of the browser's session. */
  readonly expiresAtMs?: number | undefined;
  /** When it was set; breaks ties by the order of items. */
  readonly setAtMs: number;
}

/** Deletes all, or some, then puts others. */
export interface RecordChange {
  readonly clear: boolean;
  /** Ids. */
  readonly deleted: readonly string[];
  /** Applied to records that still stand, under the id that they have. */
  readonly repaired: readonly Repair[];
  readonly put: readonly CookieRecord[];
}

/** Deletes a record, or puts one that was sealed anew in its place, perhaps under another id. */
export interface Repair {
  readonly former: CookieRecord;
  readonly next: CookieRecord | undefined;
}

/** Cookies of the page's host. */
export interface ScriptCookies {
  /** Host of the page. */
  readonly host: string;
  /** As `document.cookie`. */
  read(): Promise<string>;
  /** Sets one. Never fails: a browser ignores what the page may not set. */
  set(setCookie: string): Promise<void>;
}

/** One runtime. */
export interface Platform extends OuterHop {
  makeSuite(): Suite;
  /** Feature flags of a pairing (SPEC §3.3). */
  readonly pairingFlags: number;
  /** Base of relative URLs. */
  baseUrl(relayOrigin: string): string;
  /**
   * Fields that the platform's fetch would add.
   * @param withOrigin true for methods other than GET and HEAD, for WebSockets, and for a relay of another origin: these
   *   requests carry the page's origin.
   */
  defaultFields(withOrigin: boolean): Fields;
  /** Where the clients of this origin keep their identity and cookies across page loads; undefined for memory alone. */
  readonly keeper: Keeper | undefined;
  /** Cookies of the page, which script may read; undefined without a page. */
  readonly scriptCookies: ScriptCookies | undefined;
  /** Runs `work` while no other page or worker of the origin runs its own under this name, or after a bounded wait. */
  alone?<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Makes and checks a Request where the platform's own does not conform to the standard. */
  readonly makeRequest: ((input: URL | Request, init: RequestInit) => Request) | undefined;
  /** Replaces takeBody of body.ts where the platform lacks streams. */
  readonly takeBody?: (request: Request, given: unknown) => Promise<RequestBody | undefined>;
  /** Replaces toResponse of call/response.ts where the platform lacks streams. */
  readonly makeResponse?: (inner: OpenedResponse, facts: ResponseFacts) => Promise<Response>;
}
