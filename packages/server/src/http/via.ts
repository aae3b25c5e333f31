// The relay's entry in `Via`, by which it finds that a request has come back to it (RFC 9110 §7.6.3).
import { createHash } from 'node:crypto';
import type { Fields } from '@mte-relay/protocol';

/** The pseudonym of a relay's domain: the same on each pod, and not that of another relay. */
export class Via {
  readonly #pseudonym: string;
  /** The value that the relay adds to each message. */
  readonly value: string;

  /** @param pin of the domain's newest key. @param domain its name. */
  constructor(pin: string, domain: string) {
    this.#pseudonym = `mte-relay-${createHash('sha256').update(`${pin} ${domain}`).digest('hex').slice(0, 8)}`;
    this.value = `1.1 ${this.#pseudonym}`;
  }

  /** True if a message with these fields has passed this relay. @param fields names in lower case. */
  isIn(fields: Fields): boolean {
    for (const [name, value] of fields) if (name === 'via' && this.isInValue(value)) return true;
    return false;
  }

  /** True if a value of `via` names this relay; undefined has no entry. */
  isInValue(value: string | undefined): boolean {
    if (value === undefined || !value.includes(this.#pseudonym)) return false;
    return value.split(',').some((entry) => entry.trim().split(/\s+/, 2)[1] === this.#pseudonym);
  }
}
