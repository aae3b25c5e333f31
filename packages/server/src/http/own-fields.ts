// The fields that the operator adds in one direction: HEADERS with REQUEST_HEADERS, or with RESPONSE_HEADERS. Nobody else
// sets a field of their names, under any alias.
import type { Fields } from '@mte-relay/protocol';
import { plainName } from './caller-fields.ts';

export class OwnFields {
  readonly fields: Fields;
  readonly #names: ReadonlySet<string>;

  /** @param tables names in lower case; of several fields with one name, the last one stands. */
  constructor(...tables: readonly Fields[]) {
    const byName = new Map(tables.flat().map((field) => [plainName(field[0]), field]));
    this.fields = [...byName.values()];
    this.#names = new Set(byName.keys());
  }

  /** True for the name of one of these fields, or an alias of it. @param name in lower case. */
  has(name: string): boolean {
    return this.#names.size > 0 && this.#names.has(plainName(name));
  }

  /** The given fields with these in place of those with the same names. */
  over(fields: Fields): Fields {
    return this.#names.size === 0 ? fields : [...fields.filter(([name]) => !this.has(name)), ...this.fields];
  }
}
