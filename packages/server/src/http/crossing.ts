// Whose word is believed for which field of a request: the client's, a trusted proxy's, or nobody's. A client does not name
// itself (caller-fields.ts), except by names in REQUEST_FIELDS_TRUSTED; names in OUTER_FIELDS_PASSED are those of the
// trusted proxies in front, and of nobody else.
import type { IncomingMessage } from 'node:http';
import type { Fields } from '@mte-relay/protocol';
import { namesACaller, plainName } from './caller-fields.ts';
import type { TrustedProxies } from './forwarding.ts';

/** The rules of one domain. */
export class Crossing {
  readonly #trusted: ReadonlySet<string>;
  /** As the operator has written them: an alias on the outer hop is not the proxy's, which would have replaced it. */
  readonly #passed: ReadonlySet<string>;
  readonly #passedPlain: ReadonlySet<string>;

  /** @param trusted REQUEST_FIELDS_TRUSTED. @param passed OUTER_FIELDS_PASSED; both in lower case. */
  constructor(trusted: readonly string[], passed: readonly string[]) {
    this.#trusted = new Set(trusted.map(plainName));
    this.#passed = new Set(passed);
    this.#passedPlain = new Set(passed.map(plainName));
  }

  /** The fields of a request from inside the seal, with those that a trusted proxy has put on the outer hop. */
  sealed(inner: Fields, outer: IncomingMessage, proxies: TrustedProxies): Fields {
    return this.#with(this.passed(outer, proxies), without(inner, this.#isRefusedInside));
  }

  /** The same of an unsealed request: its fields may be anybody's on the way. */
  unsealed(fields: Fields, outer: IncomingMessage, proxies: TrustedProxies): Fields {
    return this.#with(this.passed(outer, proxies), without(fields, this.isProxys));
  }

  /** True for a name that a client's trailer may not have. @param name in lower case. */
  readonly isProxys = (name: string): boolean => {
    const plain = plainName(name);
    return namesACaller(plain) || this.#passedPlain.has(plain);
  };

  readonly #isRefusedInside = (name: string): boolean => this.isProxys(name) && !this.#trusted.has(plainName(name));

  /** Named fields of the outer hop, if its peer is trusted. A client's `Connection` behind it does not remove them. */
  passed({ rawHeaders, socket }: IncomingMessage, proxies: TrustedProxies): Fields {
    if (this.#passed.size === 0 || !proxies.trusts(socket)) return [];
    const fields: [string, string][] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] as string).toLowerCase();
      if (this.#passed.has(name)) fields.push([name, rawHeaders[i + 1] as string]);
    }
    return fields;
  }

  /** A proxy's field replaces the client's of the same name. */
  #with(passed: Fields, fields: Fields): Fields {
    if (passed.length === 0) return fields;
    const names = new Set(passed.map(([name]) => plainName(name)));
    return [...without(fields, (name) => names.has(plainName(name))), ...passed];
  }
}

/** Copies only if a field is left out: most requests have none. */
function without(fields: Fields, isLeftOut: (name: string) => boolean): Fields {
  return fields.some(([name]) => isLeftOut(name)) ? fields.filter(([name]) => !isLeftOut(name)) : fields;
}
