// The differences between runtimes. Adapters translate only; their callers decide.
import type { Fields, Suite } from '@mte-relay/protocol';
import type { OuterHop } from '../outer/hop.ts';
import type { RequestBody } from './body.ts';
import type { OpenedResponse, ResponseFacts } from './response-parts.ts';

/** One runtime. */
export interface Platform extends OuterHop {
  makeSuite(): Suite;
  /** Feature flags of a pairing (SPEC §3.3). */
  readonly pairingFlags: number;
  /** Base of relative URLs. */
  baseUrl(relayOrigin: string): string;
  /**
   * Fields that the platform's fetch would add.
   * @param withOrigin true for methods other than GET and HEAD and for WebSockets, which carry the page's origin.
   */
  defaultFields(withOrigin: boolean): Fields;
  /**
   * The identity of this origin's clients (SPEC §3.5): the stored one, unless the relay has refused it, or else `token`,
   * which the platform then stores if it can.
   */
  keepClientId(relayOrigin: string, token: string, refused: string | undefined): Promise<string>;
  /** Makes and checks a Request where the platform's own does not conform to the standard. */
  readonly makeRequest: ((input: URL | Request, init: RequestInit) => Request) | undefined;
  /** Replaces takeBody of body.ts where the platform lacks streams. */
  readonly takeBody?: (request: Request, given: unknown) => Promise<RequestBody | undefined>;
  /** Replaces toResponse of call/response.ts where the platform lacks streams. */
  readonly makeResponse?: (inner: OpenedResponse, facts: ResponseFacts) => Promise<Response>;
}
