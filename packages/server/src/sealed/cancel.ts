// A cancel (SPEC §7): it claims the number of another message, which then runs at most once, whatever becomes of either.
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

  /** Takes its only chunk. @throws OuterRefusal for any other. */
  take(plaintext: Bytes, last: boolean): void {
    if (this.#taken || !last) throw new OuterRefusal('malformed');
    this.#taken = true;
    const n = decodeCancel(plaintext);
    const claimed = this.#context.sessions.claim(this.#session, n, 'cancel');
    this.#waiting.whenReady(claimed, (claim) => this.#respond(n, claim), 'claim');
  }

  #respond(n: number, claim: StoreClaim): void {
    requireSession(claim);
    this.#account.status = 200;
    this.#outbound.sendBytes(encodeCancelResult(n, claim === 'fresh'));
  }

  /** It holds nothing that reading could fill. */
  get congested(): boolean {
    return false;
  }

  /** It has nothing under way that an end could leave behind. */
  abort(): void {}
}
