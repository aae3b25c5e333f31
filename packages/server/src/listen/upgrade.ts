// Upgrade requests: a sealed WebSocket on its endpoint, or a WebSocket on a pass-through route.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type OuterCode,
  PATH_WEBSOCKET,
  WEBSOCKET_OUTER_MESSAGE_MAX_BYTES,
  WEBSOCKET_SUBPROTOCOL,
} from '@mte-relay/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import type { RelayContext } from '../context.ts';
import { type Domain, setOwnHeaders } from '../domain.ts';
import { refuseAndCount, refuseOuter } from '../failure/noted.ts';
import { hasContent } from '../http/fields.ts';
import { isUnambiguous } from '../http/outer-head.ts';
import { REQUEST_ID_FIELD, requestIdOf } from '../http/request-id.ts';
import { canonicalTarget, pathOf } from '../http/target.ts';
import { CLOSE_TIMEOUT_MS, OUTER_FRAGMENTS_MAX, OUTER_PIECES_MAX } from '../limits/fixed.ts';
import { Account } from '../observe/account.ts';
import { type PendingUpgrade, passThroughUpgrade } from '../pass-through/websocket.ts';
import { SealedWebSocketRelay } from '../sealed/websocket.ts';

const WEBSOCKET_VERSION = '13'; // RFC 6455 §4.1
const WEBSOCKET_KEY = /^[+/0-9A-Za-z]{22}==$/;

const NOTHING = Buffer.alloc(0);

/** Options of `ws` that its type declarations do not have. */
const LIMITS: object = {
  maxFragments: OUTER_FRAGMENTS_MAX,
  maxBufferedChunks: OUTER_PIECES_MAX,
  closeTimeout: CLOSE_TIMEOUT_MS,
};

/**
 * True for a WebSocket handshake. Any other `upgrade` is ignored, as RFC 9110 §7.8 allows. `h2c` above all would let
 * requests pass that the relay does not see. A handshake has no content.
 */
export function isWebSocketHandshake(req: IncomingMessage): boolean {
  if (req.method !== 'GET' || req.httpVersion !== '1.1' || hasContent(req) || isBusy(req.socket)) return false;
  return req.headers.upgrade?.toLowerCase() === 'websocket';
}

/** True while an earlier request of the connection awaits its response: only node:http's own mark shows it. */
function isBusy(socket: Socket): boolean {
  return Boolean((socket as { _httpMessage?: unknown })._httpMessage);
}

/** Handles the upgrades of a node:http server, and closes the open ones on shutdown. */
export class Upgrades {
  readonly #context: RelayContext;
  readonly #sealed = new Set<SealedWebSocketRelay>();
  readonly #passed = new Set<Socket>();
  readonly #handshakes: WebSocketServer;
  /** Accounts of sealed WebSockets, by handshake. */
  readonly #accounts = new WeakMap<IncomingMessage, Account>();
  #closing = false;

  constructor(context: RelayContext) {
    this.#context = context;
    this.#handshakes = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false, // sealed bytes do not compress
      maxPayload: WEBSOCKET_OUTER_MESSAGE_MAX_BYTES,
      ...LIMITS,
      handleProtocols: () => WEBSOCKET_SUBPROTOCOL,
    });
    this.#handshakes.on('headers', (lines, req) => {
      const own = this.#domainOf(req)?.responseFields.fields ?? [];
      for (const [name, value] of own) lines.push(`${name}: ${value}`);
      lines.push(`${REQUEST_ID_FIELD}: ${this.#accounts.get(req)?.requestId}`);
    });
    // A malformed list of subprotocols (RFC 6455 §11.3.4): `ws` alone checks it.
    this.#handshakes.on('wsClientError', (_error, _socket, req) => {
      this.#refuse(pendingUpgrade(req, NOTHING), 'malformed', this.#accounts.get(req));
    });
  }

  /** True for a handshake that the relay handles, if it shares a server with other handlers. */
  handles(req: IncomingMessage): boolean {
    if (req.url === PATH_WEBSOCKET) return true;
    return this.#context.domains.passThrough(req, this.#context.trustedProxies);
  }

  /** Handles the `upgrade` event of a node:http server. */
  handle(req: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = req; // `stream` only resembles it while content of the request is outstanding
    stream.on('error', () => socket.destroy()); // node:http has removed its own listener
    // Only on an embedding program's server: a response has no place on the connection.
    if (isBusy(socket)) return void socket.destroy();
    socket.setTimeout(0);
    const pending = pendingUpgrade(req, head);
    if (!isWebSocketHandshake(req)) return this.#refuse(pending, 'upgrade-required');
    if (!this.#context.admission.allowsFields(req.rawHeaders)) return this.#refuse(pending, 'headers-too-large');
    if (!isUnambiguous(req)) return this.#refuse(pending, 'malformed');
    if (req.url === PATH_WEBSOCKET) this.#openSealed(pending);
    else this.#passThrough(pending);
  }

  #openSealed(pending: PendingUpgrade): void {
    const { req, socket, head } = pending;
    const account = new Account(this.#context, requestIdOf(req), 'websocket', true);
    const refusal = this.#refusalOf(req, this.#domainOf(req)) ?? refusalOfSealed(req);
    if (refusal) return this.#refuse(pending, refusal, account);
    this.#accounts.set(req, account);
    this.#handshakes.handleUpgrade(req, socket, head, (outer: WebSocket) => {
      const relay = new SealedWebSocketRelay(this.#context, req, outer, account);
      this.#sealed.add(relay);
      this.#context.admission.webSockets += 1;
      outer.on('close', () => {
        this.#sealed.delete(relay);
        this.#context.admission.webSockets -= 1;
      });
    });
  }

  #passThrough(pending: PendingUpgrade): void {
    const { req, socket } = pending;
    const domain = this.#domainOf(req);
    if (!domain) return this.#refuse(pending, 'domain-unknown');
    const target = canonicalTarget(req.url as string);
    if (target === undefined) return this.#refuse(pending, 'malformed');
    if (!domain.passThroughRoutes.has(pathOf(target))) return this.#refuse(pending, 'not-found');
    const account = new Account(this.#context, requestIdOf(req), 'websocket', false);
    const refusal = this.#refusalOf(req, domain);
    if (refusal) return this.#refuse(pending, refusal, account);
    this.#passed.add(socket);
    this.#context.admission.webSockets += 1;
    socket.on('close', () => {
      this.#passed.delete(socket);
      this.#context.admission.webSockets -= 1;
    });
    passThroughUpgrade(this.#context, domain, pending, account, target);
  }

  /** Why a handshake of either kind is refused; undefined if it is not. */
  #refusalOf(req: IncomingMessage, domain: Domain | undefined): OuterCode | undefined {
    if (this.#closing || !this.#context.admission.hasRoomForWebSocket()) return 'unavailable';
    // A page of any origin sends cookies with its WebSocket, and without a preflight.
    if (!this.#context.domains.corsOf(domain).allows(req)) return 'origin-refused';
    return domain?.via.isInValue(req.headers.via) ? 'loop-detected' : undefined;
  }

  #domainOf(req: IncomingMessage): Domain | undefined {
    return this.#context.domains.byRequest(req, this.#context.trustedProxies);
  }

  #refuse({ req, socket, respond }: PendingUpgrade, code: OuterCode, account?: Account): void {
    const res = respond();
    const domain = this.#domainOf(req);
    if (domain) setOwnHeaders(domain, res);
    if (code === 'upgrade-required') setUpgradeFields(res);
    if (!account) return refuseAndCount(this.#context, res, code);
    res.setHeader(REQUEST_ID_FIELD, account.requestId);
    socket.once('close', () => account.endWith(res));
    refuseOuter(account, res, code);
  }

  /**
   * Refuses new WebSockets and closes the sealed ones cleanly. The relay cannot insert a close frame into bytes that it
   * passes through, so these may end by themselves until the timeout, when every connection is destroyed.
   */
  close(timeoutMs: number): void {
    this.#closing = true;
    for (const relay of this.#sealed) relay.close();
    setTimeout(() => this.#destroy(), timeoutMs).unref();
  }

  #destroy(): void {
    for (const relay of this.#sealed) relay.destroy();
    for (const socket of this.#passed) socket.destroy();
  }
}

/** Why the fields of a sealed WebSocket's handshake are refused; undefined if they are not. */
function refusalOfSealed({ headers }: IncomingMessage): OuterCode | undefined {
  if (headers['sec-websocket-version'] !== WEBSOCKET_VERSION) return 'upgrade-required';
  if (!WEBSOCKET_KEY.test(headers['sec-websocket-key'] ?? '')) return 'malformed';
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
  return offered?.includes(WEBSOCKET_SUBPROTOCOL) ? undefined : 'version-unsupported';
}

/** Refuses a request that is not a WebSocket handshake. */
export function requireUpgrade(context: RelayContext, res: ServerResponse): void {
  setUpgradeFields(res);
  refuseAndCount(context, res, 'upgrade-required');
}

/** Requires a WebSocket handshake, and names the version (RFC 6455 §4.4, RFC 9110 §15.5.22). */
function setUpgradeFields(res: ServerResponse): void {
  res.setHeader('upgrade', 'websocket');
  res.setHeader('connection', 'upgrade, close');
  res.setHeader('sec-websocket-version', WEBSOCKET_VERSION);
}

function pendingUpgrade(req: IncomingMessage, head: Buffer): PendingUpgrade {
  const { socket } = req;
  return { req, socket, head, respond: () => respondOn(req, socket) };
}

/** An ordinary response on the socket of an upgrade, which closes after it. */
function respondOn(req: IncomingMessage, socket: Socket): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  socket.on('drain', () => res.emit('drain')); // as node:http would
  res.on('finish', () => {
    res.detachSocket(socket);
    socket.destroySoon();
  });
  return res;
}
