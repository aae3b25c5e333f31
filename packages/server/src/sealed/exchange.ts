// The life of one exchange:
//   1 admit             method, origin, content type: is this a message at all?
//   2 find session      by the session id in the message's clear header
//   3 open              the chunks, in order; nothing is believed before the first tag has verified
//   4 claim             the message number, once and for all
//   5 authorise target  method and path of the inner request
//   6 forward           to the upstream, whole or as a stream
//   7 seal              the answer, bound to this request
//   8 account           one line in the log
// Before step 4 a refusal is bare and outer; after it, it is sealed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Bytes,
  CLIENT_ID_FIELD,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  decodeCancel,
  encodeCancelResult,
  type Fields,
  INNER_FAILURE,
  type InnerCode,
  isIdempotent,
  MESSAGE_HEADER_BYTES,
  MESSAGE_TYPE_CANCEL,
  type MessageHeader,
  type OuterCode,
  parseMessageHeader,
  type RequestHead,
  RequestOpener,
  ResponseSealer,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { type Domain, setOwnHeaders } from '../domain.ts';
import { failureOf, openable, upstreamFailed } from '../failure/noted.ts';
import { OuterRefusal, refuse } from '../failure/planes.ts';
import { annotate, decide, type ExchangeRequest, FieldOverrides, hookRequest, type RefusalAnswer } from '../hooks.ts';
import { endToEndFields, overrideFields, trailerFields } from '../http/fields.ts';
import { pathOf } from '../http/target.ts';
import { Discard } from '../limits/discard.ts';
import { Account } from '../observe/account.ts';
import { COOKIE_MAX_BYTES } from '../secrets/cookies.ts';
import { type ClaimPurpose, SESSION_LIFETIMES, type Session, type StoreClaim } from '../sessions/store.ts';
import type { UpstreamRequest } from '../upstream/connection.ts';
import { isKeepAliveRace } from '../upstream/pool.ts';
import { contentLength, trailersOf } from './framing.ts';
import { Inbound } from './inbound.ts';
import { authoriseTarget, hasOuterCookies, identifyClient, upstreamHeaders } from './opened-request.ts';
import { endSealed, Outbound, type OutboundHost } from './outbound.ts';
import { Waiting, type WaitingHost } from './waiting.ts';

/**
 * Relays one exchange; every outcome is an answer or a broken connection, never an exception.
 * @param visibleTarget canonical target that the message was posted to, when that is not the exchange endpoint.
 */
export function relayExchange(
  context: RelayContext,
  req: IncomingMessage,
  res: ServerResponse,
  visibleTarget?: string,
): void {
  new Exchange(context, req, res, visibleTarget).start();
}

class Exchange implements OutboundHost, WaitingHost {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #visibleTarget: string | undefined;
  readonly #account: Account;
  readonly #waiting: Waiting;
  readonly #discard: Discard;

  #arrived: Bytes | undefined; // bytes before the header was whole
  #header: MessageHeader | undefined;
  #session: Session | undefined;
  #domain: Domain | undefined;
  #opener: RequestOpener | undefined;
  #inbound: Inbound | undefined;
  #outbound: Outbound | undefined;
  #upstreamRequest: UpstreamRequest | undefined;
  #cancelPlaintext: Bytes | undefined;

  #request: ExchangeRequest | undefined;

  #forwarding = false;
  #claimed = false;
  #outerEnded = false;
  #opened = false; // the final chunk too
  settled = false; // answered or refused: what still arrives is discarded
  #resent = false;
  #clientId = ''; // known once the request is
  #clientIdRefused = false;

  constructor(context: RelayContext, req: IncomingMessage, res: ServerResponse, visibleTarget: string | undefined) {
    this.#visibleTarget = visibleTarget;
    this.#context = context;
    this.#req = req;
    this.#res = res;
    this.#account = new Account(context, req, res, 'exchange');
    this.#waiting = new Waiting(context, req, this.#account, this);
    this.#discard = new Discard(req);
  }

  start(): void {
    this.#context.admission.exchanges += 1;
    this.#res.on('close', () => this.#close());
    if (!this.#admit()) return;
    this.#req.on('data', (bytes: Buffer<ArrayBuffer>) => this.#guard(() => this.#onBytes(bytes)));
    this.#req.on('end', () => {
      this.#outerEnded = true;
      this.#guard(() => this.#advance());
    });
    this.#req.on('error', () => this.#res.destroy()); // the close of the response tells the rest
  }

  // 1 admit

  #admit(): boolean {
    // Exact, so that a page cannot send it without a preflight (Fetch §2.2.2, CORS-safelisted content types).
    if (this.#req.headers['content-type'] === CONTENT_TYPE_MESSAGE) return true;
    this.settled = true;
    this.#refuse('media-type-unsupported');
    return false;
  }

  #onBytes(bytes: Bytes): void {
    this.#account.bytesIn += bytes.length;
    if (this.settled) return this.#discard.take(bytes.length);
    if (this.#opener) this.#opener.push(bytes);
    else this.#readHeader(bytes);
    this.#advance();
  }

  // 2 find session

  #readHeader(bytes: Bytes): void {
    const arrived = this.#arrived ? concatBytes([this.#arrived, bytes]) : bytes;
    if (this.#header || arrived.length < MESSAGE_HEADER_BYTES) {
      this.#arrived = arrived;
      return;
    }
    const header = parseMessageHeader(arrived);
    this.#header = header;
    this.#arrived = arrived.subarray(MESSAGE_HEADER_BYTES);
    if (header.type === MESSAGE_TYPE_CANCEL) this.#account.route = 'cancel';
    if (this.#account.traces) this.#account.step('header read', { type: header.type });
    this.#waiting.whenReady(
      this.#context.sessions.find(header.sid),
      (session) => this.#useSession(header, session),
      'find',
    );
  }

  #useSession(header: MessageHeader, session: Session | undefined): void {
    if (!session || (session.ended && header.type !== MESSAGE_TYPE_CANCEL)) throw new OuterRefusal('session-unknown');
    if (header.n >= SESSION_LIFETIMES.messageLimit) throw new OuterRefusal('session-unknown');
    const domain = this.#context.domains.byName(session.domain);
    if (!domain) throw new OuterRefusal('session-unknown');
    if (!domain.cors.allows(this.#req)) throw new OuterRefusal('origin-refused');
    setOwnHeaders(domain, this.#res);
    this.#domain = domain;
    this.#session = session;
    this.#account.sid = session.sid;
    if (this.#account.traces) this.#account.step('session found', { ended: session.ended });
    const beganMs = performance.now();
    this.#opener = new RequestOpener(session.requestSecret, header);
    this.#account.decodeMs += performance.now() - beganMs;
    if (this.#arrived) this.#opener.push(this.#arrived);
    this.#arrived = undefined;
  }

  // 3 open

  /** Goes on until more bytes, the store's answer or room in the upstream's stream is needed. */
  #advance(): void {
    while (!this.#waiting.active && !this.settled && !this.#opened) {
      if (!this.#opener) {
        if (!this.#outerEnded) return this.#waiting.awaitProof();
        parseMessageHeader(this.#arrived ?? new Uint8Array(0)); // ended inside the header: says how
        return;
      }
      if (this.#openNext(this.#opener)) continue;
      if (!this.#claimed) this.#waiting.awaitProof();
      if (this.#inbound?.congested) this.#req.pause();
      return;
    }
  }

  /** Opens one chunk and takes it; false when it is not here whole. */
  #openNext(opener: RequestOpener): boolean {
    const beganMs = performance.now();
    const chunk = opener.next();
    const last = !chunk && this.#outerEnded;
    const plaintext = last ? opener.end() : chunk;
    if (!plaintext) return false;
    this.#opened = last;
    this.#account.decodeMs += performance.now() - beganMs;
    if (this.#account.traces) this.#account.step('chunk opened', { bytes: plaintext.length, last });
    this.#take(plaintext, last);
    return true;
  }

  #take(plaintext: Bytes, last: boolean): void {
    if (this.#claimed) {
      this.#decode(plaintext, last);
      return;
    }
    const session = this.#session as Session;
    const header = this.#header as MessageHeader;
    this.#waiting.proven();
    const claimed = this.#context.sessions.claim(session, header.n, purposeOf(header));
    this.#waiting.whenReady(
      claimed,
      (claim) => {
        this.#claim(claim);
        this.#decode(plaintext, last);
      },
      'claim',
    );
  }

  // 4 claim

  #claim(claim: StoreClaim): void {
    if (claim === 'gone') throw new OuterRefusal('session-unknown');
    if (claim !== 'fresh') throw new OuterRefusal('replayed');
    this.#claimed = true;
    if (this.#account.traces) this.#account.step('claimed');
    const beganMs = performance.now();
    const { responseSecret } = this.#session as Session;
    const sealer = new ResponseSealer(this.#context.suite, responseSecret, this.#header as MessageHeader);
    this.#account.encodeMs += performance.now() - beganMs;
    this.#outbound = new Outbound(this.#res, sealer, this, this.#account);
  }

  #decode(plaintext: Bytes, last: boolean): void {
    if ((this.#header as MessageHeader).type === MESSAGE_TYPE_CANCEL) {
      this.#decodeCancel(plaintext, last);
      return;
    }
    const { settings } = this.#context;
    this.#inbound ??= new Inbound({
      headMaxBytes: settings.REQUEST_HEAD_MAX_BYTES,
      bodyMaxBytes: settings.REQUEST_BODY_MAX_BYTES,
    });
    this.#inbound.push(plaintext);
    if (last) this.#inbound.end();
    if (this.#inbound.head && !this.#forwarding) this.#forward(this.#inbound.head, this.#inbound);
  }

  /** A cancel claims another number: whatever comes of it, the message of that number runs at most once. */
  #decodeCancel(plaintext: Bytes, last: boolean): void {
    if (this.#cancelPlaintext || !last) throw new OuterRefusal('malformed');
    this.#cancelPlaintext = plaintext;
    const n = decodeCancel(plaintext);
    const answerTo = (claim: StoreClaim): void => {
      if (claim === 'gone') throw new OuterRefusal('session-unknown');
      this.settled = true;
      this.#account.status = 200;
      const header = this.#header as MessageHeader;
      const sealer = new ResponseSealer(this.#context.suite, (this.#session as Session).responseSecret, header);
      const body = sealer.sealFinal(encodeCancelResult(n, claim === 'fresh'));
      this.#account.bytesOut += body.length;
      endSealed(this.#res, body);
    };
    this.#waiting.whenReady(this.#context.sessions.claim(this.#session as Session, n, 'cancel'), answerTo, 'claim');
  }

  // 5 authorise target

  #authorise(head: RequestHead): string {
    const name = identifyClient(this.#ownDomain, this.#session as Session, head.headers);
    this.#clientId = name.clientId;
    this.#account.clientId = name.clientId;
    this.#clientIdRefused = name.refused;
    return authoriseTarget(this.#ownDomain, this.#req, head, this.#visibleTarget);
  }

  // 6 forward

  #forward(head: RequestHead, inbound: Inbound): void {
    this.#forwarding = true;
    const target = this.#authorise(head);
    this.#request = { method: head.method, target, clientId: this.#clientId };
    const { onRequest } = this.#context.hooks;
    const fields = endToEndFields(head.headers);
    if (!onRequest) return this.#dispatch(head, fields, inbound);
    const overrides = new FieldOverrides();
    const asked = hookRequest(this.#ownDomain.name, this.#request, fields, overrides);
    const decision = decide(onRequest, asked, this.#context.log);
    this.#waiting.whenReady(decision, (refusal) => {
      if (refusal) this.#refuseByHook(refusal);
      else this.#dispatch(head, overrides.applyTo(fields), inbound);
    });
  }

  #dispatch(head: RequestHead, fields: Fields, inbound: Inbound): void {
    const domain = this.#ownDomain;
    const { requestId } = this.#account;
    const { method, target } = this.#request as ExchangeRequest;
    const opened = {
      domain,
      session: this.#session as Session,
      clientId: this.#clientId,
      req: this.#req,
      head,
      target,
      requestId,
    };
    const headers = upstreamHeaders(this.#context, opened, fields);
    const length = contentLength(head, inbound, this.#context.settings.REQUEST_BODY_MAX_BYTES);
    if (length !== undefined) headers.push('content-length', length);
    const body = inbound.complete ? inbound.wholeBody() : inbound.streamBody(() => this.#waiting.resumeReading());
    const trailers = trailersOf(head, inbound, length, domain.settings.HEADERS);
    this.#upstreamRequest = { method, target, headers, body, trailers };
    if (this.#account.traces) {
      const facts = { fields: headers.length / 2, bytes: body instanceof Uint8Array ? body.length : -1 };
      this.#account.step('forwarded', { ...facts, whole: inbound.complete });
    }
    this.#account.dispatched({ method, headers, origin: domain.upstream.url });
    domain.upstream.dispatch(this.#upstreamRequest, this.#outbound as Outbound);
  }

  #refuseByHook({ head, body }: RefusalAnswer): void {
    this.settled = true;
    this.#account.status = head.status;
    (this.#outbound as Outbound).respond(head, body);
    this.#waiting.resumeReading(); // what still arrives is discarded
  }

  /** Known once the session is. */
  get #ownDomain(): Domain {
    return this.#domain as Domain;
  }

  get #hasOuterCookies(): boolean {
    return hasOuterCookies(this.#session as Session);
  }

  // 7 seal

  translateFields(status: number, fields: [string, string][]): Fields {
    const outerCookies: string[] = [];
    const translated: [string, string][] = [];
    const { cookies, upstream } = this.#ownDomain;
    const request = this.#request as ExchangeRequest;
    const hiddenPath = this.#visibleTarget === undefined ? pathOf(request.target) : undefined;
    const authority = this.#inbound?.head?.authority ?? '';
    for (const [name, given] of fields) {
      const value = upstream.clientValue(name, given, authority);
      if (name === 'set-cookie' && this.#hasOuterCookies) {
        outerCookies.push(...cookies.seal(value, this.#clientId, hiddenPath));
      } else translated.push([name, value]);
    }
    if (outerCookies.length > 0) this.#setCookies(outerCookies);
    // The client then takes this session's identity for its own.
    if (this.#clientIdRefused) translated.push([CLIENT_ID_FIELD, 'unknown']);
    const answered = { request, status, headers: translated };
    return openable(this.withOwnFields(annotate(this.#context, this.#account.names(), answered)));
  }

  #setCookies(cookies: string[]): void {
    this.#res.setHeader('set-cookie', cookies);
    for (const cookie of cookies) {
      const bytes = cookie.split(';', 1)[0]?.length ?? 0;
      if (bytes <= COOKIE_MAX_BYTES) continue;
      this.#context.log.warn({ ...this.#account.names(), bytes }, 'a cookie is larger than browsers keep');
    }
  }

  withOwnFields(fields: Fields): Fields {
    return overrideFields(fields, this.#ownDomain.settings.HEADERS);
  }

  translateTrailers(fields: Fields): Fields {
    return openable(trailerFields(fields, this.#ownDomain.settings.HEADERS));
  }

  /** An idle connection that the upstream closed in the moment of use: once more, when nothing can have run twice. */
  resend(error: Error): boolean {
    const request = this.#upstreamRequest as UpstreamRequest;
    const replayable = request.body === null || request.body instanceof Uint8Array;
    if (this.#resent || !replayable || !isIdempotent(request.method) || !isKeepAliveRace(error)) return false;
    this.#resent = true;
    this.#account.dispatchedAgain({ ...request, origin: this.#ownDomain.upstream.url });
    this.#ownDomain.upstream.dispatch(request, this.#outbound as Outbound);
    return true;
  }

  failureCode(error: Error): InnerCode {
    const code = upstreamFailed(this.#context, this.#account.names(), error);
    this.#account.upstreamFailed(code);
    this.#account.refusedInner(code);
    return code;
  }

  onStatus(status: number): void {
    this.#account.status = status;
    if (this.#account.traces) this.#account.step('answer begun', { status });
  }

  // 8 account

  #close(): void {
    this.settled = true;
    this.#context.admission.exchanges -= 1;
    this.#waiting.proven();
    if (!this.#res.writableFinished) {
      const gone = new Error('the client went away');
      this.#inbound?.destroy(gone);
      this.#outbound?.abort(gone);
    }
    this.#account.close(this.#res);
  }

  // Failing.

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }

  /** What was waited for is here. */
  goOn(step: () => void): void {
    this.#guard(() => {
      step();
      this.#advance();
      this.#waiting.resumeReading();
    });
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    const cause = error instanceof Error ? error : new Error('unknown failure');
    const failure = failureOf(this.#context, this.#account.names(), error, this.#outbound !== undefined);
    this.#inbound?.destroy(cause);
    this.#outbound?.abort(cause);
    if (failure.plane === 'inner') {
      this.#account.refusedInner(failure.code);
      this.#account.status = INNER_FAILURE[failure.code].status;
      this.#outbound?.fail(failure.code);
    } else {
      this.#refuse(failure.code);
    }
    if (this.#req.isPaused()) this.#req.resume(); // what still arrives is discarded
  }

  #refuse(code: OuterCode): void {
    this.#account.refusedOuter(code);
    refuse(this.#res, code);
  }
}

function purposeOf(header: MessageHeader): ClaimPurpose {
  return header.type === MESSAGE_TYPE_CANCEL ? 'cancel' : 'exchange';
}
