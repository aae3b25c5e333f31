// What differs between runtimes. Adapters only translate; decisions live behind them.
import type { Fields, Suite } from '@mte-relay/protocol';
import type { OuterHop } from '../outer/hop.ts';
import type { RequestBody } from './body.ts';
import type { OpenedResponse, ResponseFacts } from './response-parts.ts';

/** One runtime. */
export interface Platform extends OuterHop {
  makeSuite(): Suite;
  /** Feature flags of a pairing (SPEC §3.3). */
  readonly pairingFlags: number;
  /** What relative URLs are relative to. */
  baseUrl(relayOrigin: string): string;
  /**
   * Fields that the platform itself would have added.
   * @param withOrigin for what a page's origin goes with: methods other than GET and HEAD, and WebSockets.
   */
  defaultFields(withOrigin: boolean): Fields;
  /**
   * The identity of this origin's clients (SPEC §3.5): the one that an earlier or another client keeps, or else this one,
   * kept from now on where anything can be kept. One that the relay has refused is not given.
   */
  keepClientId(relayOrigin: string, token: string, refused: string | undefined): Promise<string>;
  /** Makes a Request and checks it, where the platform's own does not do so as the standard says. */
  readonly makeRequest: ((input: URL | Request, init: RequestInit) => Request) | undefined;
  /** Takes bodies where there are no streams; stands in for takeBody of body.ts. */
  readonly takeBody?: (request: Request, given: unknown) => Promise<RequestBody | undefined>;
  /** Makes the Response where there are no streams; stands in for toResponse of response.ts. */
  readonly makeResponse?: (inner: OpenedResponse, facts: ResponseFacts) => Promise<Response>;
}
