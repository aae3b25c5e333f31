// The life of one exchange:
//   1 admit             content type; the router has checked method, origin and limits
//   2 find session      by the session id in the message's clear header (claim.ts)
//   3 open              the chunks, in order; no byte counts before the first tag has verified
//   4 claim             the message number, once and for all (claim.ts)
//   5 authorise target  method and path of the inner request (claimed-request.ts, opened-request.ts)
//   6 forward           to the upstream, whole or as a stream (claimed-request.ts, upstream-call.ts)
//   7 seal              the response, bound to this request (upstream-call.ts, outbound.ts)
//   8 account           one line in the log (observe/account.ts)
// A refusal before step 4 is bare and outer. Afterwards it is sealed, except for faults of later bytes, store and relay.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bytes,
  CONTENT_TYPE_MESSAGE,
  concatBytes,
  MESSAGE_HEADER_BYTES,
  MESSAGE_TYPE_CANCEL,
  type MessageHeader,
  parseMessageHeader,
  RequestOpener,
  ResponseSealer,
} from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { setOwnHeaders } from '../domain.ts';
import { failureOf, refuseOuter } from '../failure/noted.ts';
import { OuterRefusal } from '../failure/planes.ts';
import { Discard } from '../limits/discard.ts';
import { PieceMeter } from '../limits/pacer.ts';
import { isSmall } from '../limits/small-pieces.ts';
import type { Account, HttpExchange } from '../observe/account.ts';
import type { ClaimPurpose, Session } from '../sessions/store.ts';
import { Cancel } from './cancel.ts';
import { type Admitted, admit, requireFresh } from './claim.ts';
import { ClaimedRequest } from './claimed-request.ts';
import type { Arrival } from './opened-request.ts';
import { Outbound } from './outbound.ts';
import { Waiting } from './waiting.ts';

/** Relays one exchange. Never throws: every outcome is a response or a closed connection. */
export function relayExchange(context: RelayContext, arrival: ExchangeArrival): void {
  new Exchange(context, arrival).start();
}

/** How an exchange arrived. */
export type ExchangeArrival = Arrival & HttpExchange;

const NOTHING: Bytes = new Uint8Array(0);

/** The header is incomplete, or the store looks up its session: bytes are buffered. */
class Arriving {
  bytes: Bytes = NOTHING;
  headerRead = false;
}

/** The session is known, and no chunk has opened. */
class Found {
  readonly admitted: Admitted;
  readonly header: MessageHeader;
  readonly opener: RequestOpener;

  constructor(admitted: Admitted, header: MessageHeader) {
    this.admitted = admitted;
    this.header = header;
    this.opener = new RequestOpener(admitted.session.requestSecret, header);
  }
}

/** The first chunk has opened and the number is claimed: from now on a response can be sealed. */
class Claimed {
  readonly header: MessageHeader;
  readonly opener: RequestOpener;
  readonly outbound: Outbound;
  readonly message: ClaimedRequest | Cancel;

  constructor({ header, opener }: Found, outbound: Outbound, message: ClaimedRequest | Cancel) {
    this.header = header;
    this.opener = opener;
    this.outbound = outbound;
    this.message = message;
  }
}

type Phase = Arriving | Found | Claimed;

class Exchange {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #arrival: ExchangeArrival;
  /** True while a cancel can end it: as it arrives in pieces, or waits for a hook. */
  #isEndable = false;
  readonly #account: Account;
  readonly #waiting: Waiting;
  readonly #discard: Discard;
  readonly #smallChunks: PieceMeter;
  #phase: Phase = new Arriving();
  #outerEnded = false;
  #opened = false; // the final chunk too
  #settled = false; // refused, failed or closed: further bytes are discarded

  constructor(context: RelayContext, arrival: ExchangeArrival) {
    const { account, req, res } = arrival;
    this.#context = context;
    this.#arrival = arrival;
    this.#account = account;
    this.#req = req;
    this.#res = res;
    this.#waiting = new Waiting(context, req, account, (step) => this.#goOn(step));
    this.#discard = new Discard(req);
    this.#smallChunks = new PieceMeter(context.admission.pacer, 'chunk');
  }

  start(): void {
    this.#context.admission.exchanges += 1;
    this.#res.on('close', () => this.#close());
    this.#req.on('data', (bytes: Buffer<ArrayBuffer>) => this.#guard(() => this.#onBytes(bytes)));
    this.#req.on('end', () => {
      this.#outerEnded = true;
      this.#guard(() => this.#advance());
    });
    this.#req.on('error', () => this.#res.destroy()); // `close` of the response does the rest
    this.#guard(() => this.#admit());
  }

  // 1 admit

  /** Compared exactly: a page cannot send this content type without a preflight (Fetch §2.2.2). */
  #admit(): void {
    if (this.#req.headers['content-type'] !== CONTENT_TYPE_MESSAGE) throw new OuterRefusal('media-type-unsupported');
  }

  #onBytes(bytes: Bytes): void {
    this.#account.bytesIn += bytes.length;
    if (this.#settled) return this.#discard.take(bytes.length);
    const phase = this.#phase;
    if (phase instanceof Arriving) this.#readHeader(phase, bytes);
    else phase.opener.push(bytes);
    this.#advance();
  }

  // 2 find session

  #readHeader(arriving: Arriving, bytes: Bytes): void {
    arriving.bytes = arriving.bytes.length === 0 ? bytes : concatBytes([arriving.bytes, bytes]);
    if (arriving.headerRead || arriving.bytes.length < MESSAGE_HEADER_BYTES) return;
    const header = parseMessageHeader(arriving.bytes);
    arriving.headerRead = true;
    arriving.bytes = arriving.bytes.subarray(MESSAGE_HEADER_BYTES);
    if (header.type === MESSAGE_TYPE_CANCEL) this.#account.route = 'cancel';
    if (this.#account.traces) this.#account.step('header read', { type: header.type });
    const found = this.#context.sessions.find(header.sid);
    this.#waiting.whenReady(found, (session) => this.#useSession(arriving, header, session), 'find');
  }

  #useSession(arriving: Arriving, header: MessageHeader, found: Session | undefined): void {
    const message = { n: header.n, purpose: purposeOf(header), found };
    const admitted = admit(this.#context, this.#req, this.#account, message);
    setOwnHeaders(admitted.domain, this.#res);
    const beganMs = performance.now();
    const phase = new Found(admitted, header);
    this.#account.decodeMs += performance.now() - beganMs;
    if (arriving.bytes.length > 0) phase.opener.push(arriving.bytes);
    this.#phase = phase;
  }

  // 3 open

  /** Proceeds until it needs more bytes, the store's result or room in the upstream's stream. */
  #advance(): void {
    this.#openChunks();
    if (this.#phase instanceof Claimed) this.#phase.message.flush();
  }

  #openChunks(): void {
    while (!this.#waiting.active && !this.#settled && !this.#opened) {
      const phase = this.#phase;
      if (phase instanceof Arriving) {
        if (!this.#outerEnded) return this.#waiting.awaitProof();
        parseMessageHeader(phase.bytes); // throws: the message ended inside its header
        return;
      }
      if (this.#openNext(phase)) continue;
      if (phase instanceof Found) this.#waiting.awaitProof();
      else if (phase.message.congested) this.#req.pause();
      return;
    }
  }

  /** Opens and handles the next chunk; false if it has not fully arrived. */
  #openNext(phase: Found | Claimed): boolean {
    const { opener } = phase;
    const beganMs = performance.now();
    const chunk = opener.next();
    const last = !chunk && this.#outerEnded;
    const plaintext = last ? opener.end() : chunk;
    if (!plaintext) return false;
    this.#opened = last;
    if (last && phase instanceof Claimed) this.#arrived(phase);
    this.#account.decodeMs += performance.now() - beganMs;
    if (this.#account.traces) this.#account.step('chunk opened', { bytes: plaintext.length, last });
    if (phase instanceof Claimed) phase.message.take(plaintext, last);
    else this.#claim(phase, plaintext, last);
    if (isSmall(plaintext) && !last && this.#smallChunks.take()) this.#pace();
    return true;
  }

  #makeEndable({ sid, n }: MessageHeader): void {
    this.#isEndable = true;
    this.#context.arriving.add(sid, n, () => this.#res.destroy());
  }

  #arrived({ header }: Claimed): void {
    if (!this.#isEndable) return;
    this.#isEndable = false;
    this.#context.arriving.delete(header.sid, header.n);
  }

  /** Lets others go first, after many small chunks. */
  #pace(): void {
    const waitMs = this.#waiting.active ? 0 : this.#smallChunks.waitMs();
    if (waitMs > 0) this.#waiting.whenReady(sleep(waitMs, undefined, { ref: false }), () => undefined);
  }

  // 4 claim

  #claim(found: Found, plaintext: Bytes, last: boolean): void {
    this.#waiting.proven();
    const { header, admitted } = found;
    const claimed = this.#context.sessions.claim(admitted.session, header.n, purposeOf(header));
    this.#waiting.whenReady(
      claimed,
      (claim) => {
        requireFresh(claim, this.#account);
        const message = this.#claimed(found);
        message.take(plaintext, last);
        const waits = !last || this.#waiting.active;
        if (waits && message instanceof ClaimedRequest) this.#makeEndable(header);
      },
      'claim',
    );
  }

  #claimed(found: Found): ClaimedRequest | Cancel {
    const { admitted, header } = found;
    const { session, domain } = admitted;
    const beganMs = performance.now();
    const sealer = new ResponseSealer(this.#context.suite, session.responseSecret, header);
    this.#account.encodeMs += performance.now() - beganMs;
    const outbound = new Outbound(
      this.#res,
      sealer,
      domain.responseFields,
      this.#account,
      this.#context.settings.PAD_TO_BYTES,
    );
    const message =
      header.type === MESSAGE_TYPE_CANCEL
        ? new Cancel(this.#context, this.#account, this.#waiting, session, outbound)
        : new ClaimedRequest(this.#context, this.#arrival, this.#waiting, admitted, outbound);
    this.#phase = new Claimed(found, outbound, message);
    return message;
  }

  #close(): void {
    this.#settled = true;
    this.#context.admission.exchanges -= 1;
    this.#waiting.proven();
    if (this.#phase instanceof Claimed) this.#arrived(this.#phase);
    if (!this.#res.writableFinished) this.#abort(new Error('the client disconnected'));
  }

  // Failing.

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes the step that has waited for a result, and those that follow. */
  #goOn(step: () => void): void {
    if (this.#settled) return;
    this.#guard(() => {
      step();
      this.#advance();
      this.#waiting.resumeReading();
    });
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    const phase = this.#phase;
    this.#abort(error instanceof Error ? error : new Error('unknown failure'));
    const failure = failureOf(this.#context, this.#account, error, phase instanceof Claimed);
    if (failure.plane === 'outer') refuseOuter(this.#account, this.#res, failure.code);
    else if (phase instanceof Claimed) phase.outbound.respond(failure.response, failure.code);
    if (this.#req.isPaused()) this.#req.resume(); // further bytes are discarded
  }

  #abort(reason: Error): void {
    if (this.#phase instanceof Claimed) this.#phase.message.abort(reason);
  }
}

function purposeOf(header: MessageHeader): ClaimPurpose {
  return header.type === MESSAGE_TYPE_CANCEL ? 'cancel' : 'exchange';
}
