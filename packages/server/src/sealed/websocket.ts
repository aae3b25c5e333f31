// The life of one sealed WebSocket (SPEC §13), whose outer handshake listen/upgrade.ts has done:
//   1 opening message   the client's first message, until a deadline
//   2 find session      by the session id in the message's clear header (claim.ts)
//   3 open              its only chunk
//   4 claim             the message number, once and for all (claim.ts)
//   5 authorise target  as for an exchange (opened-request.ts)
//   6 connect           to the upstream, with a handshake of the relay's own
//   7 respond           accepted or refused, sealed
//   8 tunnel            frames, until one side ends (tunnel.ts)
//   9 account           one line in the log
// A refusal before step 4 is an outer close code, afterwards sealed.
import type { IncomingMessage } from 'node:http';
import {
  type Awaitable,
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
  CLOSE_NORMAL,
  decodeWhole,
  encodeResponse,
  type Fields,
  parseWebSocketHeader,
  type RequestHead,
  type ResponseHead,
  WebSocketAcceptor,
} from '@mte-relay/protocol';
import type { WebSocket } from 'ws';
import type { RelayContext } from '../context.ts';
import { failureOf, upstreamFailed } from '../failure/noted.ts';
import {
  decodeAuthentic,
  InnerRefusal,
  OuterRefusal,
  type OwnResponse,
  outerCloseCode,
  RefusedByHook,
} from '../failure/planes.ts';
import { isFinalStatus, listItems } from '../http/fields.ts';
import type { Account } from '../observe/account.ts';
import { faultOf } from '../observe/fault.ts';
import type { StoreClaim } from '../sessions/store.ts';
import { notAStatus } from '../upstream/failures.ts';
import { openUpstream } from '../upstream/websocket.ts';
import { type Admitted, admit, requireFresh } from './claim.ts';
import { identifyClient } from './client-identity.ts';
import { OpenedRequest } from './opened-request.ts';
import { WebSocketTunnel } from './tunnel.ts';
import { stored } from './waiting.ts';

const NOTHING: Bytes = new Uint8Array(0);

/** A claimed opening message, and what seals the response to it. */
interface Claimed {
  readonly admitted: Admitted;
  readonly acceptor: WebSocketAcceptor;
}

/** An upstream's refusal of the handshake. */
interface UpstreamRefusal {
  readonly status: number;
  readonly fields: readonly [string, string][];
  /** Undefined if it is too long to be sealed. */
  readonly body: Bytes | undefined;
}

/** One sealed WebSocket. Never throws: every outcome is a close. */
export class SealedWebSocketRelay {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #outer: WebSocket;
  readonly #account: Account;
  readonly #openingTimer: NodeJS.Timeout;

  #stated: Fields = []; // as the relay's own responses state the client's id
  #claimed: Claimed | undefined; // from now on a response can be sealed
  #upstream: WebSocket | undefined;
  #tunnel: WebSocketTunnel | undefined;
  #began = false; // the opening message has arrived
  #settled = false; // accepted or refused

  /**
   * @param req the outer handshake.
   * @param outer the open outer WebSocket.
   */
  constructor(context: RelayContext, req: IncomingMessage, outer: WebSocket, account: Account) {
    this.#context = context;
    this.#req = req;
    this.#outer = outer;
    this.#account = account;
    account.ownConnection(req.socket);
    this.#openingTimer = setTimeout(
      () => this.#refuse(new OuterRefusal('timeout')),
      context.settings.CLIENT_IDLE_TIMEOUT_MS,
    );
    outer.on('error', (error) =>
      context.log.debug({ ...account.names(), fault: faultOf(error) }, 'outer WebSocket failed'),
    );
    outer.on('close', (code) => this.#onOuterClose(code));
    outer.on('message', this.#onOpeningMessage);
  }

  /** Closes both sides cleanly, during a shutdown. */
  close(): void {
    if (this.#tunnel) return this.#tunnel.close(CLOSE_GOING_AWAY, 'relay is closing');
    this.#settled = true;
    this.#upstream?.terminate();
    this.#outer.close(CLOSE_GOING_AWAY, 'relay is closing');
  }

  /** Closes both sides at once. */
  destroy(): void {
    this.#outer.terminate();
    this.#upstream?.terminate();
  }

  // 1 opening message

  readonly #onOpeningMessage = (message: Buffer<ArrayBuffer>, isBinary: boolean): void => {
    if (this.#settled) return;
    // The client may send nothing before the response, which makes the keys of frames.
    if (this.#began || !isBinary) return this.#refuse(new OuterRefusal('malformed'));
    this.#began = true;
    clearTimeout(this.#openingTimer);
    // The refusal of a hook may be longer than can be sealed, which is a failure itself.
    this.#open(message).catch((error: unknown) => this.#guard(() => this.#refuse(error)));
  };

  async #open(message: Bytes): Promise<void> {
    const { claimed, opened } = await this.#claim(message);
    if (this.#settled) return;
    const request = this.#authorise(claimed, this.#decode(opened));
    const refusal = await request.decide();
    if (this.#settled) return;
    if (refusal) throw new RefusedByHook(refusal);
    this.#connect(request, claimed.acceptor);
  }

  // 2 find session, 3 open, 4 claim

  async #claim(message: Bytes): Promise<{ claimed: Claimed; opened: Bytes }> {
    const { sessions } = this.#context;
    const account = this.#account;
    const header = parseWebSocketHeader(message);
    const found = await stored(this.#context, account, () => sessions.find(header.sid), 'find');
    const admitted = admit(this.#context, this.#req, account, { n: header.n, purpose: 'exchange', found });
    const { session } = admitted;
    const beganMs = performance.now();
    const acceptor = new WebSocketAcceptor(session.requestSecret, session.responseSecret, header);
    const opened = acceptor.openRequest(message);
    account.decodeMs += performance.now() - beganMs;
    const claim = (): Awaitable<StoreClaim> => sessions.claim(session, header.n, 'exchange');
    requireFresh(await stored(this.#context, account, claim, 'claim'), account);
    this.#claimed = { admitted, acceptor };
    return { claimed: this.#claimed, opened };
  }

  #decode(opened: Bytes): RequestHead {
    const limits = { headMaxBytes: this.#context.settings.REQUEST_HEAD_MAX_BYTES };
    const { head, content } = decodeAuthentic(() => decodeWhole<RequestHead>('request', opened, limits));
    if (head.method !== 'GET' || content.length > 0) throw new InnerRefusal('request-malformed');
    return head;
  }

  // 5 authorise target

  #authorise({ admitted }: Claimed, head: RequestHead): OpenedRequest {
    const arrival = { req: this.#req, account: this.#account, res: undefined, visibleTarget: undefined };
    const identity = identifyClient(admitted, this.#account, head.headers);
    this.#stated = identity.stated;
    return new OpenedRequest(this.#context, arrival, admitted, identity, head);
  }

  // 6 connect

  #connect(request: OpenedRequest, acceptor: WebSocketAcceptor): void {
    const { settings } = this.#context;
    const { requested, domain, head } = request;
    const headers = request.upstreamHeaders();
    const upgrade = {
      headers,
      protocols: listItems(head.headers, 'sec-websocket-protocol'),
      deflate: listItems(head.headers, 'sec-websocket-extensions').some(isDeflate),
    };
    this.#account.dispatched({ method: requested.method, headers, origin: domain.upstream.url });
    try {
      const upstream = openUpstream(domain.upstream.connection(requested.target), upgrade, settings, {
        onOpen: (fields) => this.#relay(() => this.#accept(request, acceptor, upstream, fields)),
        onRefused: (status, fields, body) =>
          this.#relay(() => this.#passRefusal(request, acceptor, { status, fields, body })),
        onFailed: (error) => this.#failUpstream(error),
      });
      this.#upstream = upstream;
    } catch (error) {
      throw new InnerRefusal('request-malformed', { cause: error }); // an invalid or repeated subprotocol
    }
  }

  #failUpstream(error: Error): void {
    if (this.#settled) return;
    this.#refuse(new InnerRefusal(upstreamFailed(this.#context, this.#account, error), { cause: error }));
  }

  // 7 respond

  #accept(
    request: OpenedRequest,
    acceptor: WebSocketAcceptor,
    upstream: WebSocket,
    fields: readonly [string, string][],
  ): void {
    if (this.#settled) return upstream.terminate();
    this.#onUpstreamResponse(101);
    // Binary HTTP has no 101 as a final status; 200 stands for it, as in RFC 8441 §5.
    const head = { status: 200, headers: request.fieldsForClient(200, fields) };
    const keys = this.#respond(acceptor, this.#encode(head, NOTHING));
    this.#outer.off('message', this.#onOpeningMessage);
    const { settings, metrics, admission } = this.#context;
    this.#tunnel = new WebSocketTunnel(this.#outer, upstream, keys, settings, admission.pacer, {
      onLimit: (limit) => {
        metrics.limits[limit].value += 1;
      },
      onUpstreamBroken: (error) => this.#account.cutOff(upstreamFailed(this.#context, this.#account, error)),
    });
  }

  #passRefusal(request: OpenedRequest, acceptor: WebSocketAcceptor, { status, fields, body }: UpstreamRefusal): void {
    if (this.#settled) return;
    // Below 300 only 101 is valid; inside the seal 200 would accept the upgrade.
    if (status < 300 || !isFinalStatus(status)) return this.#failUpstream(notAStatus(status));
    this.#onUpstreamResponse(status);
    const head = { status, headers: request.fieldsForClient(status, fields) };
    this.#refuseWith(acceptor, { head: body ? head : withoutLength(head), body: body ?? NOTHING });
  }

  #onUpstreamResponse(status: number): void {
    this.#account.upstreamResponded(status);
    this.#account.upstreamEnded();
  }

  #refuseWith(acceptor: WebSocketAcceptor, { head, body }: OwnResponse): void {
    const whole = this.#encode(head, body);
    const fits = whole.length <= CHUNK_PLAINTEXT_MAX_BYTES;
    this.#respond(acceptor, fits ? whole : this.#encode(withoutLength(head), NOTHING));
    this.#outer.close(CLOSE_NORMAL);
  }

  #encode(head: ResponseHead, body: Bytes): Bytes {
    return encodeResponse(head, body, { padToMultipleBytes: this.#context.settings.PAD_TO_BYTES });
  }

  #respond(acceptor: WebSocketAcceptor, response: Bytes): ReturnType<WebSocketAcceptor['respond']> {
    if (response.length > CHUNK_PLAINTEXT_MAX_BYTES) throw new InnerRefusal('upstream-failed');
    this.#settled = true;
    const beganMs = performance.now();
    const sealed = acceptor.respond(this.#context.suite, response);
    this.#account.encodeMs += performance.now() - beganMs;
    this.#outer.send(sealed.message);
    return sealed;
  }

  // 9 account

  #onOuterClose(outerCode: number): void {
    clearTimeout(this.#openingTimer);
    this.#settled = true;
    if (!this.#tunnel) this.#upstream?.terminate();
    const isClosed = outerCode !== CLOSE_ABNORMAL && (this.#tunnel?.isClosed ?? true);
    this.#account.end(outerCode, isClosed);
  }

  // Failing.

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Takes a step of the upstream's response; a response that cannot be sealed is the upstream's failure. */
  #relay(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (error instanceof InnerRefusal) this.#failUpstream(error);
      else this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (this.#settled) return;
    clearTimeout(this.#openingTimer);
    this.#upstream?.terminate();
    const account = this.#account;
    const claimed = this.#claimed;
    const failure = failureOf(this.#context, account, error, claimed !== undefined);
    if (failure.plane === 'outer') {
      this.#settled = true;
      account.refusedOuter(failure.code);
      this.#outer.close(outerCloseCode(failure.code), failure.code);
    } else if (claimed) {
      const { head, body } = failure.response;
      account.respondedInner(head.status, failure.code);
      const own = claimed.admitted.domain.responseFields;
      const headers = [...own.over(head.headers), ...this.#stated];
      this.#refuseWith(claimed.acceptor, { head: { ...head, headers }, body });
    }
  }
}

/** The head of a response whose body is left out. */
function withoutLength({ status, headers }: ResponseHead): ResponseHead {
  return { status, headers: headers.filter(([name]) => name !== 'content-length') };
}

/** True for permessage-deflate. @param extension one item of `Sec-WebSocket-Extensions` (RFC 7692 §7). */
function isDeflate(extension: string): boolean {
  return /^permessage-deflate\s*(?:;|$)/.test(extension);
}
