// Routes requests: to the relay's own endpoints and files, as a sealed message on a visible path, to a pass-through
// route, or to a refusal.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  CONTENT_TYPE_MESSAGE,
  CONTENT_TYPE_PAIRING,
  type OuterCode,
  PATH_DISCOVERY,
  PATH_EXCHANGE,
  PATH_PAIR,
  PATH_WEBSOCKET,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { type Domain, setOwnHeaders } from '../domain.ts';
import { refuseAndCount, refuseOuter } from '../failure/noted.ts';
import { hasContent } from '../http/fields.ts';
import { isUnambiguous, meetsExpectation } from '../http/outer-head.ts';
import { canonicalTarget, pathOf } from '../http/target.ts';
import { type Account, openAccount } from '../observe/account.ts';
import { passThrough } from '../pass-through/request.ts';
import { relayExchange } from '../sealed/exchange.ts';
import { pair } from '../sealed/pairing.ts';
import { discover, echo, refuseMethod } from './endpoints.ts';
import { joinBody } from './joined-body.ts';
import type { PublicFile, PublicFiles } from './public-files.ts';
import { requireUpgrade } from './upgrade.ts';

const PATH_ECHO = '/api/mte-echo';
const OWN_PATHS: ReadonlySet<string> = new Set([PATH_EXCHANGE, PATH_PAIR, PATH_DISCOVERY, PATH_WEBSOCKET, PATH_ECHO]);

/** The methods of `allow` on pass-through routes; those of other standards are passed too. */
const PASSED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Routes requests and responds to them. */
export class Router {
  readonly #context: RelayContext;
  readonly #publicFiles: PublicFiles;

  constructor(context: RelayContext, publicFiles: PublicFiles) {
    this.#context = context;
    this.#publicFiles = publicFiles;
  }

  /** True for a request that the relay handles, if it shares a server with other handlers. */
  handles(req: IncomingMessage): boolean {
    const url = req.url as string;
    const path = pathOf(url);
    const { domains, trustedProxies } = this.#context;
    if (OWN_PATHS.has(path) || req.headers['content-type'] === CONTENT_TYPE_MESSAGE) return true;
    if (this.#publicFiles.find(path, domains.byRequest(req, trustedProxies))) return true;
    return domains.passThrough(req, trustedProxies);
  }

  /** Handles one request of a node:http server. */
  route(req: IncomingMessage, res: ServerResponse): void {
    if (!this.#context.admission.allowsFields(req.rawHeaders)) return this.#refuse(res, 'headers-too-large');
    if (!isUnambiguous(req)) return this.#refuse(res, 'malformed');
    if (!meetsExpectation(req)) return refuseExpectation(req, res);
    if (wasRead(req)) return this.#refuseRead(res);
    if (hasContent(req)) joinBody(req, this.#context.admission.pacer);
    const url = req.url as string;
    const domain = this.#context.domains.byRequest(req, this.#context.trustedProxies);
    if (domain) setOwnHeaders(domain, res);
    // First, and by the whole URL: nearly every request is an exchange.
    if (url === PATH_EXCHANGE) return this.#exchange(domain, req, res, undefined);
    if (url === PATH_PAIR) return this.#pairing(domain, req, res);
    if (!domain) return this.#refuse(res, 'domain-unknown');
    const path = pathOf(url);
    if (path === PATH_DISCOVERY) return discover(this.#context, domain, req, res);
    if (path === PATH_WEBSOCKET) return requireUpgrade(this.#context, res);
    if (path === PATH_ECHO) return echo(this.#context, domain, req, res, url.slice(path.length));
    const file = this.#publicFiles.find(path, domain);
    if (file) return this.#file(file, req, res);
    this.#other(domain, req, res, url);
  }

  /** @param visibleTarget canonical target of the POST; undefined for the exchange endpoint. */
  #exchange(
    domain: Domain | undefined,
    req: IncomingMessage,
    res: ServerResponse,
    visibleTarget: string | undefined,
  ): void {
    const account = this.#admitPost(domain, req, res, 'exchange');
    if (account) relayExchange(this.#context, { req, res, account, visibleTarget });
  }

  #pairing(domain: Domain | undefined, req: IncomingMessage, res: ServerResponse): void {
    const account = this.#admitPost(domain, req, res, 'pairing');
    if (!account) return;
    if (req.headers['content-type'] !== CONTENT_TYPE_PAIRING)
      return refuseOuter(account, res, 'media-type-unsupported');
    const { admission, trustedProxies } = this.#context;
    if (!admission.hasRoomForPairing()) return refuseOuter(account, res, 'unavailable');
    const waitMs = admission.takePairing(trustedProxies.read(req).clientAddress);
    if (waitMs > 0) return refuseOuter(account, res, 'too-many', Math.ceil(waitMs / 1000));
    void pair(this.#context, { req, res }, account);
  }

  /** Admits a POST from a listed origin within the limit; responds itself to any other request. */
  #admitPost(
    domain: Domain | undefined,
    req: IncomingMessage,
    res: ServerResponse,
    route: 'exchange' | 'pairing',
  ): Account | undefined {
    const { admission, domains } = this.#context;
    const cors = domains.corsOf(domain);
    if (req.method === 'OPTIONS') return void cors.preflight(req, res, 'POST');
    if (req.headers.origin !== undefined) cors.apply(req, res); // caches do not store responses to POST: no Vary needed
    const account = openAccount(this.#context, { req, res }, route);
    if (!cors.allows(req)) return void refuseOuter(account, res, 'origin-refused');
    if (domain?.via.isInValue(req.headers.via)) return void refuseOuter(account, res, 'loop-detected');
    if (req.method !== 'POST') {
      res.setHeader('allow', 'POST, OPTIONS');
      return void refuseOuter(account, res, 'method-not-allowed');
    }
    if (!admission.hasRoomForExchange()) return void refuseOuter(account, res, 'unavailable');
    return account;
  }

  #file(file: PublicFile, req: IncomingMessage, res: ServerResponse): void {
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuseMethod(this.#context, res, 'GET, HEAD');
    this.#publicFiles.respond(file, req, res);
  }

  #other(domain: Domain, req: IncomingMessage, res: ServerResponse, url: string): void {
    const { cors, passThroughRoutes } = domain;
    const target = canonicalTarget(url);
    if (target === undefined) return this.#refuse(res, 'malformed');
    // A sealed message on its visible path, for an ingress that routes by path (SPEC §9.3).
    if (req.method === 'POST' && req.headers['content-type'] === CONTENT_TYPE_MESSAGE) {
      return this.#exchange(domain, req, res, target);
    }
    const isPreflight = req.method === 'OPTIONS' && req.headers['access-control-request-method'] !== undefined;
    if (!passThroughRoutes.has(pathOf(target))) {
      // The preflight of such a message; the relay decides on the message itself when it arrives.
      return isPreflight ? cors.preflight(req, res, 'POST') : this.#refuse(res, 'not-found');
    }
    if (isPreflight) return cors.preflight(req, res);
    cors.apply(req, res);
    // Its response would expose the fields that proxies in front have added (RFC 9110 §9.3.8).
    if (req.method === 'TRACE') return refuseMethod(this.#context, res, PASSED_METHODS);
    const account = openAccount(this.#context, { req, res }, 'pass_through');
    if (domain.via.isInValue(req.headers.via)) return refuseOuter(account, res, 'loop-detected');
    if (!this.#context.admission.hasRoomForExchange()) return refuseOuter(account, res, 'unavailable');
    passThrough(this.#context, domain, { req, res }, account, target);
  }

  #refuseRead(res: ServerResponse): void {
    this.#context.log.error({}, 'the content was read before the relay: put the relay before any body parser');
    this.#refuse(res, 'internal');
  }

  #refuse(res: ServerResponse, code: OuterCode): void {
    refuseAndCount(this.#context, res, code);
  }
}

/** Refuses an expectation (RFC 9110 §15.5.18): no code of the protocol says so. */
function refuseExpectation(req: IncomingMessage, res: ServerResponse): void {
  if (!req.complete) res.setHeader('connection', 'close');
  res.writeHead(417, { 'content-length': 0, 'cache-control': 'no-store' });
  res.end();
}

/** True if something before the relay has read the content, as a body parser does: it does not come again. */
function wasRead(req: IncomingMessage): boolean {
  return req.readableDidRead || (req.readableEnded && hasContent(req));
}
