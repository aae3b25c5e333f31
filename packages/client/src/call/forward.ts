// One request for a proxy. URL, field lines, content codings and bodies of GET pass unchanged, where fetch would change
// them. From the arguments to the inner request, and from the response to its parts.
import { type Bytes, FIELD_COUNT_MAX, type Fields, OWN_FIELDS } from '@mte-relay/protocol';
import { RelayClientError } from '../api/errors.ts';
import type { ForwardRequest, ForwardResponse, RelayForwarder } from '../api/types.ts';
import type { ClientCore } from '../core.ts';
import { ofBytes, ofPieces } from '../platform/body.ts';
import type { InnerResponse } from '../send/exchange.ts';
import { send } from '../send/retry.ts';
import type { InnerRequest } from '../send/seal.ts';

/** Leaves room for the fields that the client adds itself. */
const FIELDS_MAX = FIELD_COUNT_MAX - 2;

/** The forwarder's `forward`; works detached. */
export function makeForward({ origin, context, checkOpen }: ClientCore): RelayForwarder['forward'] {
  return async (request) => {
    checkOpen();
    request.signal?.throwIfAborted();
    return toParts(await send(context, takeForward(origin, request), request.signal));
  };
}

/** Throws RelayClientError `misuse` before the client sends anything. */
function takeForward(relayOrigin: URL, request: ForwardRequest): InnerRequest {
  const { method, target, body, trailers } = request;
  if (!target.startsWith('/') && target !== '*') throw misuse(`target expected a path or *, got "${target}"`);
  if (request.headers.length > FIELDS_MAX) {
    throw misuse(`headers expected up to ${FIELDS_MAX} fields, got ${request.headers.length}`);
  }
  const headers = fieldsOf(request.headers);
  if (beyondLatin1(method) || beyondLatin1(target)) throw misuse('method and target carry one byte per character');
  return {
    head: { method, scheme: relayOrigin.protocol.slice(0, -1), authority: relayOrigin.host, path: target, headers },
    body: body && (body instanceof Uint8Array ? ofBytes(body as Bytes) : ofPieces(body)),
    trailers: trailers && (() => fieldsOf(trailers())),
    onUploadProgress: undefined,
    credentials: undefined,
    hasCredentials: true,
    keepalive: false,
    sameSite: 'strict',
    priority: undefined,
  };
}

function fieldsOf(given: Fields): Fields {
  const fields: [string, string][] = [];
  for (const [name, value] of given) {
    if (beyondLatin1(name) || beyondLatin1(value)) throw misuse(`field "${name}" carries one byte per character`);
    const lower = name.toLowerCase();
    if (!OWN_FIELDS.has(lower)) fields.push([lower, value]);
  }
  return fields;
}

/** The response's parts. The body is opened as it is read. */
function toParts(inner: InnerResponse): ForwardResponse {
  const { status, headers } = inner.head;
  return {
    status,
    headers,
    body: inner.readBy(contentOf(inner)),
    get trailers() {
      return inner.trailers;
    },
  };
}

async function* contentOf(inner: InnerResponse): AsyncGenerator<Bytes, void, undefined> {
  let ended = false;
  try {
    for (let piece = await inner.next(); piece; piece = await inner.next()) yield piece;
    ended = true;
  } finally {
    if (!ended) inner.cancel(undefined); // has no effect after a failure
  }
}

function beyondLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0xff) return true;
  return false;
}

function misuse(message: string): RelayClientError {
  return new RelayClientError('misuse', message);
}
