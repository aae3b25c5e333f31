// Checks that a POST and the opening message of a WebSocket share: the session of a message, and whether its number is
// fresh (SPEC §6). Synchronous, because the hot path has no asynchronous step.
import type { IncomingMessage } from 'node:http';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { OuterRefusal } from '../failure/planes.ts';
import { SESSION_LIFETIMES } from '../limits/fixed.ts';
import type { Account } from '../observe/account.ts';
import type { ClaimPurpose, Session, StoreClaim } from '../sessions/store.ts';

/** A session that a message may use, and the domain that it belongs to. */
export interface Admitted {
  readonly session: Session;
  readonly domain: Domain;
}

/**
 * Admits a message to its session. An ended session admits a cancel alone.
 * @param n the message number.
 * @param found the store's session of the message's session id.
 * @throws OuterRefusal
 */
export function admit(
  { domains }: RelayContext,
  req: IncomingMessage,
  account: Account,
  message: { readonly n: number; readonly purpose: ClaimPurpose; readonly found: Session | undefined },
): Admitted {
  const { n, purpose, found: session } = message;
  if (!session || (session.ended && purpose !== 'cancel')) throw new OuterRefusal('session-unknown');
  if (n >= SESSION_LIFETIMES.messageLimit) throw new OuterRefusal('session-unknown');
  const domain = domains.byName(session.domain);
  if (!domain) throw new OuterRefusal('session-unknown');
  if (!domain.cors.allows(req)) throw new OuterRefusal('origin-refused');
  account.sid = session.sid;
  if (account.traces) account.step('session found', { ended: session.ended });
  return { session, domain };
}

/** Requires a fresh claim: the message's number was not claimed before. @throws OuterRefusal */
export function requireFresh(claim: StoreClaim, account: Account): void {
  requireSession(claim);
  if (claim !== 'fresh') throw new OuterRefusal('replayed');
  if (account.traces) account.step('claimed');
}

/** Requires that the store still has the claim's session. @throws OuterRefusal */
export function requireSession(claim: StoreClaim): void {
  if (claim === 'gone') throw new OuterRefusal('session-unknown');
}
