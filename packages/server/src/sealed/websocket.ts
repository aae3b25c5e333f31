// The life of one sealed WebSocket (SPEC §13), whose outer handshake http/upgrade.ts has done:
//   1 opening message   the first thing that the client sends, within its time
//   2 find session      by the session id in the message's clear header
//   3 open              its only chunk
//   4 claim             the message number, once and for all
//   5 authorise target  as for an exchange
//   6 connect           to the upstream, with a handshake of the relay's own
//   7 answer            accepted or refused, sealed
//   8 tunnel            frames, until one side ends (websocket-tunnel.ts)
//   9 account           one line in the log
// Before step 4 a refusal is an outer close code; after it, it is sealed.
import type { IncomingMessage } from 'node:http';
import {
  type Awaitable,
  type Bytes,
  CHUNK_PLAINTEXT_MAX_BYTES,
  CLIENT_ID_FIELD,
  decodeWhole,
  encodeResponse,
  type Fields,
  type InnerCode,
  ProtocolError,
  parseWebSocketHeader,
  type RequestHead,
  type ResponseHead,
  WebSocketAcceptor,
} from '@mte-relay/protocol';
import type { WebSocket } from 'ws';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { failureOf, type Names, openable, storeFailed, upstreamFailed } from '../failure/noted.ts';
import { InnerRefusal, innerFailure, OuterRefusal, outerCloseCode } from '../failure/planes.ts';
import { annotate, decide, type ExchangeRequest, FieldOverrides, hookRequest, type RefusalAnswer } from '../hooks.ts';
import { endToEndFields, isFinalStatus, listItems, notAStatus, overrideFields } from '../http/fields.ts';
import { requestIdOf } from '../http/request-id.ts';
import { countInner, countOuter } from '../observe/account.ts';
import { faultOf } from '../observe/fault.ts';
import { shortSession } from '../observe/log.ts';
import { outcomeOf } from '../observe/metrics.ts';
import { SESSION_LIFETIMES, type Session } from '../sessions/store.ts';
import { isHandshakeField, openUpstream } from '../upstream/websocket.ts';
import { authoriseTarget, hasOuterCookies, identifyClient, upstreamHeaders } from './opened-request.ts';
import { WebSocketTunnel } from './tunnel.ts';

const NOTHING: Bytes = new Uint8Array(0);
const GOING_AWAY = 1001;

/** One sealed WebSocket; every outcome is a close, never an exception. */
export class SealedWebSocketRelay {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #outer: WebSocket;
  readonly #startedMs = performance.now();
  readonly #openingTimer: NodeJS.Timeout;

  #session: Session | undefined;
  #domain: Domain | undefined;
  readonly #requestId: string;
  #acceptor: WebSocketAcceptor | undefined;
  #claimed = false;
  #request: ExchangeRequest | undefined;
  #clientIdRefused = false;
  #upstream: WebSocket | undefined;
  #tunnel: WebSocketTunnel | undefined;
  #status = 0;
  #began = false; // the opening message is here
  #settled = false; // answered or refused

  /**
   * @param req the outer handshake.
   * @param outer the open outer WebSocket.
   */
  constructor(context: RelayContext, req: IncomingMessage, outer: WebSocket) {
    this.#context = context;
    this.#req = req;
    this.#requestId = requestIdOf(req);
    this.#outer = outer;
    this.#openingTimer = setTimeout(
      () => this.#refuse(new OuterRefusal('timeout')),
      context.settings.CLIENT_IDLE_TIMEOUT_MS,
    );
    outer.on('error', (error) =>
      context.log.debug({ request: this.#requestId, fault: faultOf(error) }, 'outer WebSocket failed'),
    );
    outer.on('close', (code) => this.#onOuterClose(code));
    outer.on('message', this.#onOpeningMessage);
  }

  /** Ends it cleanly on both sides; for a relay that is closing. */
  close(): void {
    if (this.#tunnel) return this.#tunnel.close(GOING_AWAY, 'relay is closing');
    this.#settled = true;
    this.#upstream?.terminate();
    this.#outer.close(GOING_AWAY, 'relay is closing');
  }

  /** Ends it at once. */
  destroy(): void {
    this.#outer.terminate();
    this.#upstream?.terminate();
  }

  // 1 opening message

  readonly #onOpeningMessage = (message: Buffer<ArrayBuffer>, isBinary: boolean): void => {
    if (this.#settled) return;
    // Nothing may follow before the answer: there is no key for it yet.
    if (this.#began || !isBinary) return this.#refuse(new OuterRefusal('malformed'));
    this.#began = true;
    clearTimeout(this.#openingTimer);
    this.#open(message).catch((error: unknown) => this.#refuse(error));
  };

  async #open(message: Bytes): Promise<void> {
    const head = await this.#authenticate(message);
    if (this.#settled) return;
    const target = this.#authorise(head);
    const fields = endToEndFields(head.headers).filter(([name]) => !isHandshakeField(name));
    const overrides = new FieldOverrides();
    const refusal = await this.#decide(fields, overrides);
    if (this.#settled) return;
    if (refusal) return this.#answerRefusal(refusal.head, refusal.body);
    this.#connect(head, overrides.applyTo(fields), target);
  }

  // 2 find session, 3 open, 4 claim

  async #authenticate(message: Bytes): Promise<RequestHead> {
    const { sessions, domains } = this.#context;
    const header = parseWebSocketHeader(message);
    const session = await this.#stored(sessions.find(header.sid));
    if (!session || session.ended || header.n >= SESSION_LIFETIMES.messageLimit) {
      throw new OuterRefusal('session-unknown');
    }
    const domain = domains.byName(session.domain);
    if (!domain) throw new OuterRefusal('session-unknown');
    if (!domain.cors.allows(this.#req)) throw new OuterRefusal('origin-refused');
    this.#session = session;
    this.#domain = domain;
    const acceptor = new WebSocketAcceptor(session.requestSecret, session.responseSecret, header);
    const opened = acceptor.openRequest(message);
    const claim = await this.#stored(sessions.claim(session, header.n, 'exchange'));
    if (claim === 'gone') throw new OuterRefusal('session-unknown');
    if (claim !== 'fresh') throw new OuterRefusal('replayed');
    this.#acceptor = acceptor;
    this.#claimed = true;
    return this.#decode(opened);
  }

  /** The store's answer; what it fails with runs nothing. */
  async #stored<T>(answer: Awaitable<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw storeFailed(this.#context, this.#names, error);
    }
  }

  /** The message is authentic, so a fault in it is the client's own and is answered inside the seal. */
  #decode(opened: Bytes): RequestHead {
    try {
      const limits = { headMaxBytes: this.#context.settings.REQUEST_HEAD_MAX_BYTES };
      const { head, content } = decodeWhole<RequestHead>('request', opened, limits);
      if (head.method !== 'GET' || content.length > 0) throw new InnerRefusal('request-malformed');
      return head;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new InnerRefusal(error.code === 'too-large' ? 'request-too-large' : 'request-malformed', { cause: error });
    }
  }

  // 5 authorise target

  #authorise(head: RequestHead): string {
    const { clientId, refused } = identifyClient(this.#ownDomain, this.#session as Session, head.headers);
    this.#clientIdRefused = refused;
    const target = authoriseTarget(this.#ownDomain, this.#req, head, undefined);
    this.#request = { method: head.method, target, clientId };
    return target;
  }

  #decide(fields: Fields, overrides: FieldOverrides): Awaitable<RefusalAnswer | undefined> {
    const { onRequest } = this.#context.hooks;
    if (!onRequest) return undefined;
    const asked = hookRequest(this.#ownDomain.name, this.#request as ExchangeRequest, fields, overrides);
    return decide(onRequest, asked, this.#context.log);
  }

  // 6 connect

  #connect(head: RequestHead, fields: Fields, target: string): void {
    const { settings } = this.#context;
    const { clientId } = this.#request as ExchangeRequest;
    const domain = this.#ownDomain;
    const opened = {
      domain,
      session: this.#session as Session,
      clientId,
      req: this.#req,
      head,
      target,
      requestId: this.#requestId,
    };
    const headers = upstreamHeaders(this.#context, opened, fields);
    const upgrade = {
      headers,
      protocols: listItems(head.headers, 'sec-websocket-protocol'),
      deflate: listItems(head.headers, 'sec-websocket-extensions').some(isDeflate),
    };
    try {
      this.#upstream = openUpstream(domain.upstream.connection(target), upgrade, settings, {
        onOpen: (answered) => this.#guard(() => this.#accept(answered)),
        onRefused: (status, answered, body) => this.#guard(() => this.#passRefusal(status, answered, body)),
        onFailed: (code, error) => this.#failUpstream(code, error),
      });
    } catch (error) {
      throw new InnerRefusal('request-malformed', { cause: error }); // a subprotocol twice, or none that a field can say
    }
  }

  #failUpstream(code: InnerCode, error: Error): void {
    if (this.#settled) return;
    upstreamFailed(this.#context, this.#names, error, code);
    this.#refuse(new InnerRefusal(code, { cause: error }));
  }

  // 7 answer

  #accept(fields: [string, string][]): void {
    if (this.#settled) return void this.#upstream?.terminate();
    // 101 is no final status in Binary HTTP; 200 stands for it, as in RFC 8441 §5.
    const head = { status: 200, headers: this.#translate(200, fields) };
    const keys = this.#answer(encodeResponse(head, NOTHING));
    this.#status = 101;
    this.#outer.off('message', this.#onOpeningMessage);
    const { settings, metrics } = this.#context;
    this.#tunnel = new WebSocketTunnel(this.#outer, this.#upstream as WebSocket, keys, settings, (limit) => {
      metrics.limits[limit].value += 1;
    });
  }

  #passRefusal(status: number, fields: [string, string][], body: Bytes | undefined): void {
    if (this.#settled) return;
    // Only 101 accepts an upgrade, and within the seal 200 stands for that.
    if (status < 300 || !isFinalStatus(status)) return this.#failUpstream('upstream-failed', notAStatus(status));
    const head = { status, headers: this.#translate(status, fields) };
    this.#answerRefusal(body ? head : withoutLength(head), body ?? NOTHING);
  }

  #translate(status: number, fields: [string, string][]): Fields {
    const { upstream, settings } = this.#ownDomain;
    const translated = fields
      // The outer handshake is over: a browser's cookies cannot be set any more, and script must not read them.
      .filter(([name]) => name !== 'set-cookie' || !hasOuterCookies(this.#session as Session))
      .map(([name, value]): [string, string] => [name, upstream.clientValue(name, value)]);
    if (this.#clientIdRefused) translated.push([CLIENT_ID_FIELD, 'unknown']);
    const answered = { request: this.#request as ExchangeRequest, status, headers: translated };
    return openable(overrideFields(annotate(this.#context, this.#names, answered), settings.HEADERS));
  }

  #answerRefusal(head: ResponseHead, body: Bytes): void {
    const whole = encodeResponse(head, body);
    const fits = whole.length <= CHUNK_PLAINTEXT_MAX_BYTES;
    this.#answer(fits ? whole : encodeResponse(withoutLength(head), NOTHING));
    this.#status = head.status;
    this.#outer.close(1000);
  }

  #answer(response: Bytes): ReturnType<WebSocketAcceptor['answer']> {
    if (response.length > CHUNK_PLAINTEXT_MAX_BYTES) throw new InnerRefusal('upstream-failed');
    this.#settled = true;
    const answer = (this.#acceptor as WebSocketAcceptor).answer(this.#context.suite, response);
    this.#outer.send(answer.message);
    return answer;
  }

  // 9 account

  #onOuterClose(outerCode: number): void {
    clearTimeout(this.#openingTimer);
    this.#settled = true;
    if (!this.#tunnel) this.#upstream?.terminate();
    const outcome = this.#status === 0 ? 'refused' : outcomeOf(this.#status);
    this.#context.metrics.requests.websocket[outcome].value += 1;
    this.#context.log.info(
      {
        ...this.#names,
        route: 'websocket',
        status: this.#status,
        outer: outerCode,
        ms: Math.round((performance.now() - this.#startedMs) * 10) / 10,
      },
      'websocket',
    );
  }

  /** What a line in the log is found by. */
  get #names(): Names {
    return {
      request: this.#requestId,
      session: this.#session && shortSession(this.#session.sid),
      client: this.#request?.clientId,
    };
  }

  /** Known once the session is. */
  get #ownDomain(): Domain {
    return this.#domain as Domain;
  }

  // Failing.

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (this.#settled) return;
    clearTimeout(this.#openingTimer);
    this.#upstream?.terminate();
    const { metrics, log } = this.#context;
    const failure = failureOf(this.#context, this.#names, error, this.#claimed);
    if (failure.plane === 'inner') {
      countInner(metrics, failure.code);
      const { head, body } = innerFailure(failure.code);
      return this.#answerRefusal(head, body);
    }
    const { code } = failure;
    this.#settled = true;
    log.debug({ ...this.#names, code }, 'websocket refused');
    countOuter(metrics, code);
    this.#outer.close(outerCloseCode(code), code);
  }
}

/** A head whose body is left out. */
function withoutLength({ status, headers }: ResponseHead): ResponseHead {
  return { status, headers: headers.filter(([name]) => name !== 'content-length') };
}

/** One item of `Sec-WebSocket-Extensions` (RFC 7692 §7). */
function isDeflate(extension: string): boolean {
  return /^permessage-deflate\s*(?:;|$)/.test(extension);
}
