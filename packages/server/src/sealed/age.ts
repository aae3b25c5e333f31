// How old a request may be (SPEC §7): an intermediary that holds one back cannot have it run over later writes.
import { type Fields, SENT_FIELD, TIME_FIELD } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { InnerRefusal } from '../failure/planes.ts';
import { fieldValue } from '../http/fields.ts';

/** Milliseconds since 1970, below 2^53. */
const TIME = /^\d{1,15}$/;

/**
 * Requires the time at which the message was sealed, not older than MESSAGE_AGE_MAX_MS and not as far in the future.
 * Called once the message is claimed, so that the refusal proves that the request did not run.
 * @throws InnerRefusal
 */
export function requireRecent({ clock, settings }: RelayContext, fields: Fields): void {
  const sent = fieldValue(fields, SENT_FIELD);
  if (sent === undefined || !TIME.test(sent)) throw new InnerRefusal('request-malformed');
  const { nowMs } = clock;
  if (Math.abs(nowMs - Number(sent)) <= settings.MESSAGE_AGE_MAX_MS) return;
  throw new InnerRefusal('request-stale', { fields: [[TIME_FIELD, String(nowMs)]] });
}
