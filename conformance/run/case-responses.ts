// The backend of the fetch cases without sockets: responds as fetch/backend.ts does, from the same data, and keeps what
// it saw.
import type { ApiRequest, ApiResponse } from '@mte-relay/testing/mini-relay';
import { bytesSeen, type FetchCase, patternOf } from '../fetch/format.ts';
import { hex } from '../twin/bytes.ts';
import { utf8 } from './case.ts';

/** One inner request as the backend of fetch/backend.ts would report it; its content as hex. */
export interface InnerSeen {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ReturnType<typeof bytesSeen>;
  readonly content: string;
}

export class CaseResponses {
  readonly #cases: readonly FetchCase[];
  /** By the index of the case. */
  readonly seen = new Map<number, InnerSeen[]>();

  constructor(cases: readonly FetchCase[]) {
    this.#cases = cases;
  }

  /** Undefined: the case has no response. */
  respond({ content, ...head }: ApiRequest): ApiResponse | undefined {
    const [, path = '', number = '', target = ''] = /^(\/case\/(\d+))(.*)$/.exec(head.path) ?? [];
    const headers: Record<string, string> = {};
    for (const [name, value] of head.headers) {
      const present = Object.keys(headers).includes(name) ? `${headers[name]}, ` : '';
      Object.defineProperty(headers, name, { value: present + value, enumerable: true, configurable: true });
    }
    const list = this.seen.get(Number(number)) ?? [];
    list.push({ method: head.method, target, headers, body: bytesSeen(content), content: hex(content) });
    this.seen.set(Number(number), list);
    const given = this.#cases[Number(number)]?.responses?.[target.replace(/\?.*/, '')] ?? {};
    if (given.holds) return undefined;
    const body = !given.body
      ? utf8('')
      : 'text' in given.body
        ? utf8(given.body.text)
        : patternOf(given.body.patternBytes);
    const { status = 200 } = given;
    const fields = (given.headers ?? []).map(
      ([name, value]) => [name.toLowerCase(), value.replace('{case}', path)] as const,
    );
    if (status !== 204 && status !== 304) fields.push(['content-length', `${body.length}`]);
    return { status, headers: fields, content: head.method === 'HEAD' ? utf8('') : body };
  }
}
