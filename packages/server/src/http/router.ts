// Where a request goes: the relay's own endpoints, a pass-through route, or nowhere.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  CONTENT_TYPE_PAIRING,
  PATH_DISCOVERY,
  PATH_EXCHANGE,
  PATH_PAIR,
  PROTOCOL_VERSION,
  SUITE_ID,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { passThrough } from '../exchange/passthrough.ts';
import { relayExchange } from '../exchange/relay.ts';
import { canonicalTarget, pathOf } from '../exchange/target.ts';
import { pair } from '../pairing/pair.ts';
import { refuse } from './failure.ts';

const PATH_ECHO = '/api/mte-echo';
const DISCOVERY_MAX_AGE_SECONDS = 300;
/** What pass-through routes can be asked with from another origin. */
const PASS_THROUGH_METHODS = 'GET, POST, PUT, DELETE';

/** Answers requests; the count of those under way is its only state. */
export class Router {
  readonly #context: RelayContext;
  readonly #discovery: Buffer;
  #underWay = 0;

  constructor(context: RelayContext) {
    this.#context = context;
    this.#discovery = discoveryDocument(context);
  }

  /** Answers one request of a node:http server. */
  route(req: IncomingMessage, res: ServerResponse): void {
    const url = req.url as string;
    // The exchange comes first and is compared whole: it is nearly every request.
    if (url === PATH_EXCHANGE) return this.#sealed(req, res, relayExchange);
    if (url === PATH_PAIR) return this.#sealed(req, res, this.#pair);
    const queryAt = url.indexOf('?');
    const path = queryAt < 0 ? url : url.slice(0, queryAt);
    if (path === PATH_DISCOVERY) return this.#discover(req, res);
    if (path === PATH_ECHO) return this.#echo(req, res, queryAt < 0 ? '' : url.slice(queryAt));
    this.#other(req, res, url);
  }

  /** Pairing and exchange: POST, from a listed origin, within the limit. */
  #sealed(
    req: IncomingMessage,
    res: ServerResponse,
    answer: (context: RelayContext, req: IncomingMessage, res: ServerResponse) => void,
  ): void {
    const { cors, settings } = this.#context;
    if (req.method === 'OPTIONS') return cors.preflight(req, res, 'POST');
    if (req.headers.origin !== undefined) cors.apply(req, res); // an answer to POST is not cached: no Vary without
    if (!cors.allows(req)) return refuse(res, 'origin-refused');
    if (req.method !== 'POST') return refuseMethod(res, 'POST, OPTIONS');
    if (this.#underWay >= settings.EXCHANGES_MAX) return refuse(res, 'unavailable');
    this.#underWay += 1;
    res.on('close', () => {
      this.#underWay -= 1;
    });
    answer(this.#context, req, res);
  }

  #pair = (context: RelayContext, req: IncomingMessage, res: ServerResponse): void => {
    if (req.headers['content-type'] !== CONTENT_TYPE_PAIRING) return refuse(res, 'media-type-unsupported');
    void pair(context, req, res);
  };

  #discover(req: IncomingMessage, res: ServerResponse): void {
    const { cors } = this.#context;
    if (req.method === 'OPTIONS') return cors.preflight(req, res, 'GET, HEAD');
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuseMethod(res, 'GET, HEAD, OPTIONS');
    cors.apply(req, res);
    res.writeHead(200, {
      'content-type': 'application/json',
      'content-length': this.#discovery.length,
      'cache-control': `public, max-age=${DISCOVERY_MAX_AGE_SECONDS}`,
    });
    res.end(req.method === 'HEAD' ? undefined : this.#discovery);
  }

  /** Shows that the relay is reached; seals nothing. */
  #echo(req: IncomingMessage, res: ServerResponse, query: string): void {
    const { cors } = this.#context;
    if (req.method === 'OPTIONS') return cors.preflight(req, res, 'GET, HEAD');
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuseMethod(res, 'GET, HEAD, OPTIONS');
    cors.apply(req, res);
    const echo = new URLSearchParams(query).get('msg') ?? '';
    const body = Buffer.from(JSON.stringify({ echo, time: new Date().toISOString() }));
    res.writeHead(200, {
      'content-type': 'application/json',
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    res.end(req.method === 'HEAD' ? undefined : body);
  }

  #other(req: IncomingMessage, res: ServerResponse, url: string): void {
    const { cors, passThroughRoutes } = this.#context;
    const target = url.startsWith('/') ? canonicalTarget(url) : undefined;
    if (target === undefined) return refuse(res, 'malformed');
    if (!passThroughRoutes.has(pathOf(target))) return refuse(res, 'not-found');
    if (req.method === 'OPTIONS' && req.headers['access-control-request-method'] !== undefined) {
      return cors.preflight(req, res, PASS_THROUGH_METHODS);
    }
    cors.apply(req, res);
    passThrough(this.#context, req, res, target);
  }
}

function refuseMethod(res: ServerResponse, allow: string): void {
  res.setHeader('allow', allow);
  refuse(res, 'method-not-allowed');
}

/** Nothing in it could weaken a client: limits and rules travel sealed, in the pairing (SPEC §9.1). */
function discoveryDocument({ identity }: RelayContext): Buffer {
  return Buffer.from(
    JSON.stringify({
      versions: [PROTOCOL_VERSION],
      suite: SUITE_ID,
      keyId: Buffer.from(identity.keyId).toString('hex'),
      publicKey: Buffer.from(identity.keyPair.publicKey).toString('base64'),
      endpoints: { pair: PATH_PAIR, exchange: PATH_EXCHANGE },
    }),
  );
}
