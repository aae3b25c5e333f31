// One plain request through the relay, in the order its bytes travel: 1 read it, 2 send it sealed, 3 write the response,
// 4 log it. When either side ends, the other ends too.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ForwardResponse, RelayClientError, type RelayForwarder } from '@mte-relay/client/forward';
import type { Callers } from './callers.ts';
import { type Failure, failureOf, type LocalCode, localFailure, problemOf } from './failure.ts';
import { requestFields, responseFields } from './headers.ts';
import type { Log } from './log.ts';

/** Bodies up to this size are buffered, so that the client seals them as one chunk and can resend them when that is safe. */
const WHOLE_BODY_MAX_BYTES = 65_536;

/** Serves one request to its end; never rejects. */
export async function serve(
  client: RelayForwarder,
  log: Log,
  callers: Callers,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  const closing = new AbortController();
  res.on('close', () => {
    if (!res.writableFinished) closing.abort(new Error('the caller disconnected'));
  });
  let failure: Failure | undefined;
  try {
    const refusal = callers.refusalOf(req) ?? unsupported(req);
    if (refusal) throw new LocalRefusal(refusal);
    const response = await client.forward({
      method: req.method as string,
      target: req.url as string,
      headers: requestFields(req.rawHeaders),
      body: await bodyOf(req),
      trailers: () => requestFields(req.rawTrailers),
      signal: closing.signal,
    });
    await writeResponse(req, res, response, closing.signal);
  } catch (error) {
    if (!closing.signal.aborted) failure = fail(res, error);
    if (failure && !(error instanceof RelayClientError || error instanceof LocalRefusal)) {
      log('error', 'request failed unexpectedly', { error: error instanceof Error ? error.stack : String(error) });
    }
  }
  logRequest(log, req, res, { failure, disconnected: closing.signal.aborted, startedMs });
}

// 1 read the request

class LocalRefusal extends Error {
  readonly failure: Failure;

  constructor(code: LocalCode) {
    super(code);
    this.failure = localFailure(code);
  }
}

/** Refuses WebSockets. A server may ignore other upgrades, such as h2c (RFC 9110 §7.8). */
function unsupported(req: IncomingMessage): LocalCode | undefined {
  const target = req.url as string;
  if (/(?:^|,)\s*websocket\b/i.test(req.headers.upgrade ?? '')) return 'websocket-unsupported';
  return (!target.startsWith('/') && target !== '*') || target.includes('#') ? 'target-unsupported' : undefined;
}

/** Undefined for a request without content, which differs from empty content. */
async function bodyOf(req: IncomingMessage): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined> {
  const length = req.headers['content-length'];
  if (length === undefined && req.headers['transfer-encoding'] === undefined) return undefined;
  if (length === undefined || Number(length) > WHOLE_BODY_MAX_BYTES) return piecesOf(req);
  const pieces: Uint8Array[] = [];
  for await (const piece of piecesOf(req)) pieces.push(piece);
  return pieces.length === 1 ? pieces[0] : new Uint8Array(Buffer.concat(pieces));
}

/**
 * The content, read on demand. Leaving early discards the rest and keeps the connection, so that an early response still
 * reaches the caller. A stream's own iterator would close the connection.
 */
async function* piecesOf(req: IncomingMessage): AsyncGenerator<Buffer<ArrayBuffer>, void, undefined> {
  let wake: () => void = () => undefined;
  const onEvent = (): void => wake();
  const events = ['readable', 'end', 'close', 'error'];
  for (const event of events) req.on(event, onEvent);
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const piece = req.read() as Buffer<ArrayBuffer> | null;
      if (piece) yield piece;
      else if (req.readableEnded) return;
      else if (req.destroyed) throw new Error('the caller disconnected before the end of its request');
      else await woken;
    }
  } finally {
    for (const event of events) req.off(event, onEvent);
    if (!req.readableEnded) req.resume();
  }
}

// 3 write the response

/** Written to send the head alone. `flushHeaders` would encode bytes of field values above 0x7f as UTF-8. */
const NOTHING = new Uint8Array(0);
const NO_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);

async function writeResponse(
  req: IncomingMessage,
  res: ServerResponse,
  response: ForwardResponse,
  closing: AbortSignal,
): Promise<void> {
  const { status, headers, body } = response;
  if (req.method === 'HEAD' || NO_CONTENT.has(status)) {
    // Without content the egress cannot signal a cut response after the head, so it first reads the response to its end.
    for await (const _ of body);
    res.writeHead(status, responseFields(headers)).end();
    return;
  }
  res.writeHead(status, responseFields(headers));
  // The head shares a packet with content that has arrived, and does not wait for content that has not.
  const flush = setImmediate(() => res.destroyed || res.write(NOTHING));
  try {
    for await (const piece of body) {
      clearImmediate(flush);
      if (!res.write(piece)) await once(res, 'drain', { signal: closing });
    }
  } finally {
    clearImmediate(flush);
  }
  if (response.trailers.length > 0)
    res.addTrailers(response.trailers.map(([name, value]): [string, string] => [name, value]));
  res.end();
}

/** Responds with the egress's own failure. Closes the connection if a response has begun, so that it is not complete. */
function fail(res: ServerResponse, error: unknown): Failure {
  const failure = error instanceof LocalRefusal ? error.failure : failureOf(error);
  if (res.headersSent) res.destroy();
  else writeFailure(res, failure);
  return failure;
}

export function writeFailure(res: ServerResponse, failure: Failure): void {
  const { headers, body } = problemOf(failure);
  res.writeHead(failure.status, headers).end(body);
}

// 4 log it

function logRequest(
  log: Log,
  req: IncomingMessage,
  res: ServerResponse,
  facts: { failure: Failure | undefined; disconnected: boolean; startedMs: number },
): void {
  const { failure, disconnected, startedMs } = facts;
  log(failure ? 'warning' : 'info', disconnected ? 'caller disconnected' : 'request', {
    method: req.method,
    status: res.headersSent ? res.statusCode : undefined,
    code: failure?.code,
    mayHaveRun: failure?.mayHaveRun,
    ms: Math.round((performance.now() - startedMs) * 10) / 10,
  });
}
