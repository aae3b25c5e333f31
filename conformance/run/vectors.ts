// Every case of conformance/vectors that a runtime can run: against packages/protocol with its providers, and the records
// that packages/client keeps.
import type {
  BhttpCase,
  BhttpRefusedCase,
  CookieVectors,
  IdentityVectors,
  MessageRefusedVectors,
  MessageVectors,
  PairingCase,
  RefusedCase,
  WebSocketRefusedVectors,
  WebSocketVectors,
  WindowCase,
} from '../format.ts';
import { bhttpCases } from './bhttp.ts';
import type { Case } from './case.ts';
import { cookieItemsCases } from './cookies.ts';
import type { Providers } from './fixed-suite.ts';
import { identityCases } from './identity.ts';
import { messageCases } from './messages.ts';
import { pairingCases } from './pairing.ts';
import { windowCases } from './replay-window.ts';
import { webSocketCases } from './websocket.ts';

/** The files of conformance/vectors by name. */
export interface Vectors {
  readonly identity: IdentityVectors;
  readonly pairing: { readonly cases: PairingCase[] };
  readonly 'pairing-refused': { readonly cases: RefusedCase[] };
  readonly messages: MessageVectors;
  readonly 'messages-refused': MessageRefusedVectors;
  readonly bhttp: { readonly cases: BhttpCase[] };
  readonly 'bhttp-refused': { readonly cases: BhttpRefusedCase[] };
  readonly 'replay-window': { readonly cases: WindowCase[] };
  readonly websocket: WebSocketVectors;
  readonly 'websocket-refused': WebSocketRefusedVectors;
  readonly cookies: CookieVectors;
}

export const VECTOR_FILES = [
  'identity',
  'pairing',
  'pairing-refused',
  'messages',
  'messages-refused',
  'bhttp',
  'bhttp-refused',
  'replay-window',
  'websocket',
  'websocket-refused',
  'cookies',
] as const satisfies readonly (keyof Vectors)[];

/** The same cases in the same order, whatever the providers. */
export function vectorCases(vectors: Vectors, providers: Providers): Case[] {
  return [
    ...identityCases(vectors.identity, providers),
    ...pairingCases(vectors.pairing.cases, vectors['pairing-refused'].cases, providers),
    ...messageCases(vectors.messages, vectors['messages-refused'], providers),
    ...bhttpCases(vectors.bhttp.cases, vectors['bhttp-refused'].cases),
    ...windowCases(vectors['replay-window'].cases),
    ...webSocketCases(vectors.websocket, vectors['websocket-refused'], providers),
    ...cookieItemsCases(vectors.cookies.items),
  ];
}
