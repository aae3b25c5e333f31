// A cancel (SPEC §7): it claims the number of another message, so that the relay never runs that message afterwards.
import { type Bytes, decodeCancel, encodeCancelResult } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { OuterRefusal } from '../failure/planes.ts';
import type { Account } from '../observe/account.ts';
import type { Session, StoreClaim } from '../sessions/store.ts';
import { requireSession } from './claim.ts';
import type { Outbound } from './outbound.ts';
import type { Waiting } from './waiting.ts';

/** A claimed cancel. */
export class Cancel {
  readonly #context: RelayContext;
  readonly #account: Account;
  readonly #waiting: Waiting;
  readonly #session: Session;
  readonly #outbound: Outbound;
  #taken = false;

  constructor(context: RelayContext, account: Account, waiting: Waiting, session: Session, outbound: Outbound) {
    this.#context = context;
    this.#account = account;
    this.#waiting = waiting;
    this.#session = session;
    this.#outbound = outbound;
  }

  /** Takes the only chunk of a cancel. @throws OuterRefusal for a further one. */
  take(plaintext: Bytes, last: boolean): void {
    if (this.#taken || !last) throw new OuterRefusal('malformed');
    this.#taken = true;
    const n = decodeCancel(plaintext);
    const claimed = this.#context.sessions.claim(this.#session, n, 'cancel');
    this.#waiting.whenReady(claimed, (claim) => this.#respond(n, claim), 'claim');
  }

  #respond(n: number, claim: StoreClaim): void {
    requireSession(claim);
    if (claim !== 'fresh') this.#context.arriving.end(this.#session.sid, n);
    this.#account.status = 200;
    this.#outbound.sendBytes(encodeCancelResult(n, claim === 'fresh' && !this.#context.sessions.mayLoseClaims));
  }

  /** A cancel has no body to buffer. */
  get congested(): boolean {
    return false;
  }

  /** A cancel has no body to pass on. */
  flush(): void {}

  /** A cancel has nothing in progress. */
  abort(): void {}
}
