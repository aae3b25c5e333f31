// Performs one fetch case in the runtime under test: makes the arguments, calls, and reports the result. It uses
// nothing that a bare engine lacks, unless the case needs it.
import {
  type BodyGiven,
  bytesSeen,
  type ErrorSeen,
  type FetchCase,
  type InitGiven,
  type Outcome,
  patternOf,
} from './format.ts';

/** Long enough for a request to reach the backend, which withholds its response. */
const ABORT_AFTER_MS = 150;

type AnyFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * @param fetch the relay client's, or the platform's.
 * @param base where the backend's cases begin: origin and case path, e.g. "https://relay.example/case/7".
 */
export async function runFetchCase(fetch: AnyFetch, base: string, fetchCase: FetchCase): Promise<Outcome> {
  const { call } = fetchCase;
  const reason = new Error('the caller left');
  const failure = new Error('the source broke off');
  const controller = call.abort ? new AbortController() : undefined;
  if (call.abort === 'before') controller?.abort(reason);
  let response: Response;
  try {
    const pending = begin(fetch, base, call, failure, controller?.signal);
    if (call.abort === 'headers') setTimeout(() => controller?.abort(reason), ABORT_AFTER_MS);
    response = await pending;
  } catch (error) {
    return { error: errorSeen(error, [reason, failure]) };
  }
  if (call.abort === 'body') setTimeout(() => controller?.abort(reason), ABORT_AFTER_MS);
  return { response: await responseSeen(response, call.abort === 'body', [reason, failure]) };
}

async function begin(
  fetch: AnyFetch,
  base: string,
  call: FetchCase['call'],
  failure: Error,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const target = call.target ?? '';
  const url = /^[a-z]+:/.test(target) ? target : base + target;
  const init = { ...initOf(call.init, failure), ...(signal && { signal }) };
  if (call.input === 'url') return fetch(new URL(url), init);
  if (call.input !== 'request') return fetch(url, init);
  const request = new Request(url, init);
  if (call.usedBefore) await request.arrayBuffer();
  return call.override ? fetch(request, initOf(call.override, failure)) : fetch(request);
}

function initOf(given: InitGiven | undefined, failure: Error): RequestInit {
  if (!given) return {};
  const { headers, body, ...rest } = given;
  return {
    ...rest,
    ...(headers && { headers: headers.map(([name, value]): [string, string] => [name, value]) }),
    ...(body && { body: bodyOf(body, failure) }),
  } as RequestInit;
}

function bodyOf(given: BodyGiven, failure: Error): BodyInit {
  switch (given.kind) {
    case 'string':
      return given.text;
    case 'params':
      return new URLSearchParams(given.pairs.map(([name, value]): [string, string] => [name, value]));
    case 'arrayBuffer':
      return patternOf(given.patternBytes).buffer;
    case 'blob':
      return new Blob([patternOf(given.patternBytes)], given.type === undefined ? {} : { type: given.type });
    case 'Uint8Array':
      return viewOf(given.patternBytes, 3, (buffer, at, length) => new Uint8Array(buffer, at, length));
    case 'Uint16Array':
      return viewOf(given.patternBytes, 4, (buffer, at, length) => new Uint16Array(buffer, at, length / 2));
    case 'DataView':
      return viewOf(given.patternBytes, 3, (buffer, at, length) => new DataView(buffer, at, length));
    case 'form':
      return formOf(given.entries);
    case 'stream':
      return streamOf(given.pieces, given.thenFails ? failure : undefined);
  }
}

function viewOf<V>(length: number, at: number, make: (buffer: ArrayBuffer, at: number, length: number) => V): V {
  const whole = new Uint8Array(length + 16).fill(0xee);
  whole.set(patternOf(length), at);
  return make(whole.buffer, at, length);
}

function formOf(entries: Extract<BodyGiven, { kind: 'form' }>['entries']): FormData {
  const form = new FormData();
  for (const entry of entries) {
    if ('text' in entry) form.append(entry.name, entry.text);
    else form.append(entry.name, new Blob([patternOf(entry.patternBytes)], { type: entry.type }), entry.filename);
  }
  return form;
}

/** The pattern, cut into these pieces. */
function streamOf(pieces: readonly number[], failure: Error | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
  const whole = patternOf(pieces.reduce((sum, size) => sum + size, 0));
  let at = 0;
  let index = 0;
  return new ReadableStream({
    pull(controller) {
      const size = pieces[index];
      if (size === undefined) return failure ? controller.error(failure) : controller.close();
      controller.enqueue(whole.slice(at, at + size));
      at += size;
      index += 1;
    },
  });
}

async function responseSeen(
  response: Response,
  aborting: boolean,
  known: readonly Error[],
): Promise<NonNullable<Outcome['response']>> {
  const headers: [string, string][] = [];
  response.headers.forEach((value, name) => {
    headers.push([name, value]);
  });
  const { status, statusText, ok, url, redirected } = response;
  const head = { status, statusText, ok, url, redirected, headers, bodyIsNull: response.body === null };
  // A clone holds what the other half has not read: not where the body never ends.
  const clone = aborting ? undefined : response.clone();
  try {
    const body = bytesSeen(new Uint8Array(await response.arrayBuffer()));
    const same = clone && bytesSeen(new Uint8Array(await clone.arrayBuffer()));
    const cloneAgrees =
      same?.sum === body.sum &&
      clone?.url === url &&
      clone.status === status &&
      clone.redirected === redirected &&
      clone.type === response.type;
    const readTwice =
      head.bodyIsNull ||
      (await response.text().then(
        () => false,
        () => response.bodyUsed,
      ));
    return { ...head, body, cloneAgrees, readTwice };
  } catch (error) {
    return { ...head, bodyError: errorSeen(error, known) };
  }
}

function errorSeen(error: unknown, known: readonly Error[]): ErrorSeen {
  const code = (error as { code?: unknown }).code;
  return {
    typeError: error instanceof TypeError,
    ...(typeof code === 'string' && { code }),
    reason: known.includes(error as Error),
    message: String(error),
  };
}
