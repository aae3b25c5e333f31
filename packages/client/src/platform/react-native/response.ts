// The Response in React Native: the platform's, with a whole body in memory. Its own text() would decode each byte as a
// character, and it cannot make a Blob of bytes.
import { type Bytes, concatBytes, copyBytes, OWN_FIELDS } from '@mte-relay/protocol';
import { RelayClientError } from '../../api/errors.ts';
import { NULL_BODY_STATUSES, type OpenedResponse, progressOf, type ResponseFacts } from '../response-parts.ts';
import { textOf } from './utf8.ts';

/** Rejects unless the response is complete. */
export async function wholeResponse(inner: OpenedResponse, facts: ResponseFacts): Promise<Response> {
  const { status, headers } = inner.head;
  const report = progressOf(headers, facts);
  const pieces: Bytes[] = [];
  for (let piece = await inner.next(); piece; piece = await inner.next()) {
    pieces.push(copyBytes(piece));
    report(piece.length);
  }
  const isNull = facts.method === 'HEAD' || NULL_BODY_STATUSES.has(status);
  const fields: [string, string][] = headers.filter(([name]) => !OWN_FIELDS.has(name)).map(([...field]) => field);
  return responseOf({ status, fields, content: isNull ? null : concatBytes([...pieces, new Uint8Array(0)]), facts });
}

interface Parts {
  readonly status: number;
  readonly fields: readonly [string, string][];
  readonly content: Bytes | null;
  readonly facts: ResponseFacts;
}

function responseOf(parts: Parts): Response {
  const { status, fields, content, facts } = parts;
  const response = new Response(null, { status });
  for (const [name, value] of fields) response.headers.append(name, value);
  let used = false;
  const take = async (): Promise<Bytes> => {
    if (used) throw new TypeError('the body has been read');
    used = content !== null;
    return content ? copyBytes(content) : new Uint8Array(0);
  };
  const unsupported = (what: string) => async (): Promise<never> => {
    throw new RelayClientError(
      'option-unsupported',
      `React Native cannot make a ${what} from bytes: use arrayBuffer()`,
    );
  };
  return Object.defineProperties(response, {
    url: { value: facts.url },
    redirected: { value: facts.redirected },
    type: { value: facts.type },
    body: { value: content && undefined },
    bodyUsed: { get: () => used },
    arrayBuffer: { value: async () => (await take()).buffer },
    bytes: { value: take },
    text: { value: async () => textOf(await take()) },
    json: { value: async () => JSON.parse(textOf(await take())) as unknown },
    blob: { value: unsupported('Blob') },
    formData: { value: unsupported('FormData') },
    clone: {
      value() {
        if (used) throw new TypeError('the body has been read');
        return responseOf(parts);
      },
    },
  });
}
