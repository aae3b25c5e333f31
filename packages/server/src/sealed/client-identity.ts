// Who sends a request: the client id that the client proves, or else that of its session (SPEC §3.5).
import { CLIENT_ID_FIELD, type Fields } from '@mte-relay/protocol';
import { fieldValue } from '../http/fields.ts';
import type { Account } from '../observe/account.ts';
import type { Admitted } from './claim.ts';

/** The sender of one request. */
export interface ClientIdentity {
  readonly clientId: string;
  /** For each sealed response, the relay's own too: a renewed client id, or `unknown` for one that is forged or expired. */
  readonly stated: Fields;
}

/** Identifies the sender of a request by its fields, for its account too. */
export function identifyClient({ session, domain }: Admitted, account: Account, fields: Fields): ClientIdentity {
  const identity = identityIn({ session, domain }, fields);
  account.clientId = identity.clientId;
  return identity;
}

function identityIn({ session, domain }: Admitted, fields: Fields): ClientIdentity {
  const token = fieldValue(fields, CLIENT_ID_FIELD);
  if (token === undefined) return { clientId: session.clientId, stated: [] };
  const proven = domain.clientIds.verify(token, Date.now());
  if (!proven) return { clientId: session.clientId, stated: [[CLIENT_ID_FIELD, 'unknown']] };
  return { clientId: proven.id, stated: proven.renewed === undefined ? [] : [[CLIENT_ID_FIELD, proven.renewed]] };
}
