// Steps 5 to 7 of an exchange: decodes the plaintext of a claimed message to an inner request, authorises it and
// forwards it, whole or as a stream.
import type { Bytes, RequestHead } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { RefusedByHook } from '../failure/planes.ts';
import type { Admitted } from './claim.ts';
import { type ClientIdentity, identifyClient } from './client-identity.ts';
import { contentLength, trailersOf } from './framing.ts';
import { Inbound } from './inbound.ts';
import { type Arrival, OpenedRequest } from './opened-request.ts';
import type { Outbound } from './outbound.ts';
import { UpstreamCall } from './upstream-call.ts';
import type { Waiting } from './waiting.ts';

/** A claimed request. */
export class ClaimedRequest {
  readonly #context: RelayContext;
  readonly #arrival: Arrival;
  readonly #waiting: Waiting;
  readonly #admitted: Admitted;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  #identity: ClientIdentity | undefined;
  #request: OpenedRequest | undefined;
  #call: UpstreamCall | undefined;

  constructor(context: RelayContext, arrival: Arrival, waiting: Waiting, admitted: Admitted, outbound: Outbound) {
    this.#context = context;
    this.#arrival = arrival;
    this.#waiting = waiting;
    this.#admitted = admitted;
    this.#outbound = outbound;
    const { REQUEST_HEAD_MAX_BYTES: headMaxBytes, REQUEST_BODY_MAX_BYTES: bodyMaxBytes } = context.settings;
    this.#inbound = new Inbound({ headMaxBytes, bodyMaxBytes });
  }

  /** Takes opened plaintext. @throws InnerRefusal */
  take(plaintext: Bytes, last: boolean): void {
    try {
      this.#inbound.push(plaintext);
      if (last) this.#inbound.end();
    } finally {
      this.#identify(); // for the refusal too
    }
    if (this.#inbound.head && !this.#request) this.#authorise(this.#inbound.head);
  }

  /** Call at the end of a step, after the plaintexts that have arrived. */
  flush(): void {
    this.#inbound.flush();
  }

  /** True if the upstream is too slow and the relay must stop reading from the client. */
  get congested(): boolean {
    return this.#inbound.congested;
  }

  /** Aborts the exchange: the upstream's request must not look complete. */
  abort(reason: Error): void {
    this.#inbound.destroy(reason);
    this.#call?.abort(reason);
  }

  #identify(): void {
    const { head } = this.#inbound;
    if (!head || this.#identity) return;
    this.#identity = identifyClient(this.#admitted, this.#arrival.account, head.headers);
    this.#outbound.stated = this.#identity.stated;
  }

  // 5 authorise target

  #authorise(head: RequestHead): void {
    const identity = this.#identity as ClientIdentity;
    const request = new OpenedRequest(this.#context, this.#arrival, this.#admitted, identity, head);
    this.#request = request;
    this.#waiting.whenReady(request.decide(), (refusal) => {
      if (refusal) throw new RefusedByHook(refusal);
      this.#forward(request);
    });
  }

  // 6 forward

  #forward(request: OpenedRequest): void {
    const { account } = this.#arrival;
    const inbound = this.#inbound;
    const { head, requested } = request;
    const { method, target } = requested;
    const headers = request.upstreamHeaders();
    const length = contentLength(head, inbound, this.#context.settings.REQUEST_BODY_MAX_BYTES);
    if (length !== undefined) {
      headers.push('content-length', length);
      inbound.announce(Number(length));
    }
    const body = inbound.complete ? inbound.wholeBody() : inbound.streamBody(() => this.#waiting.resumeReading());
    const trailers = trailersOf(head, inbound, length, (name) => request.isOthers(name));
    if (account.traces) {
      const facts = { fields: headers.length / 2, bytes: body instanceof Uint8Array ? body.length : -1 };
      account.step('forwarded', { ...facts, whole: inbound.complete });
    }
    this.#call = new UpstreamCall(this.#context, account, request, this.#outbound, {
      method,
      target,
      headers,
      body,
      trailers,
    });
    this.#call.start();
  }
}
