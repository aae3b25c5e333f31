// One plain request through the relay, in the order its bytes travel: 1 take it apart, 2 send it sealed, 3 write the
// answer, 4 account. Either side's end ends the other.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ForwardAnswer, RelayClientError, type RelayForwarder } from '@mte-relay/client/forward';
import { type Failure, failureOf, localFailure, problemOf } from './failure.ts';
import { answerFields, requestFields } from './headers.ts';
import type { Log } from './log.ts';

/** Bodies up to this many bytes are read whole: they are sealed as one piece and can be sent again when that is safe. */
const WHOLE_BODY_MAX_BYTES = 65_536;

/** Serves one request to its end; never rejects. */
export async function serve(
  client: RelayForwarder,
  log: Log,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  const gone = new AbortController();
  res.on('close', () => {
    if (!res.writableFinished) gone.abort(new Error('the caller went away'));
  });
  let failure: Failure | undefined;
  try {
    const refused = unsupported(req);
    if (refused) throw refused;
    const answer = await client.forward({
      method: req.method as string,
      target: req.url as string,
      headers: requestFields(req.rawHeaders),
      body: await bodyOf(req),
      trailers: () => requestFields(req.rawTrailers),
      signal: gone.signal,
    });
    await writeAnswer(req, res, answer, gone.signal);
  } catch (error) {
    if (!gone.signal.aborted) failure = fail(res, error);
    if (failure && !(error instanceof RelayClientError || error instanceof LocalRefusal)) {
      log('error', 'request failed unexpectedly', { error: error instanceof Error ? error.stack : String(error) });
    }
  }
  account(log, req, res, { failure, gone: gone.signal.aborted, startedMs });
}

// 1 take the request apart

class LocalRefusal extends Error {
  readonly failure: Failure;

  constructor(code: Parameters<typeof localFailure>[0]) {
    super(code);
    this.failure = localFailure(code);
  }
}

/** Other upgrades, such as h2c, may be ignored, and clients that ask for them expect that (RFC 9110 §7.8). */
function unsupported(req: IncomingMessage): LocalRefusal | undefined {
  const target = req.url as string;
  if (/(?:^|,)\s*websocket\b/i.test(req.headers.upgrade ?? '')) return new LocalRefusal('websocket-unsupported');
  if ((!target.startsWith('/') && target !== '*') || target.includes('#')) {
    return new LocalRefusal('target-unsupported');
  }
  return undefined;
}

/** Undefined when the request has no content, which is not the same as an empty one. */
async function bodyOf(req: IncomingMessage): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined> {
  const length = req.headers['content-length'];
  if (length === undefined && req.headers['transfer-encoding'] === undefined) return undefined;
  if (length === undefined || Number(length) > WHOLE_BODY_MAX_BYTES) return piecesOf(req);
  const pieces: Uint8Array[] = [];
  for await (const piece of piecesOf(req)) pieces.push(piece);
  return pieces.length === 1 ? pieces[0] : new Uint8Array(Buffer.concat(pieces));
}

/**
 * The content, read only as it is asked for. Leaving early discards the rest and keeps the connection, so that an answer
 * which came before the end of the request still arrives; a stream's own iterator would destroy it.
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
      else if (req.destroyed) throw new Error('the caller broke its request off');
      else await woken;
    }
  } finally {
    for (const event of events) req.off(event, onEvent);
    if (!req.readableEnded) req.resume();
  }
}

// 3 write the answer

/** Sends the head by itself, as `flushHeaders` does; that writes bytes of field values above 0x7f as UTF-8, twice as many. */
const NOTHING = new Uint8Array(0);
const NO_CONTENT: ReadonlySet<number> = new Set([204, 205, 304]);

async function writeAnswer(
  req: IncomingMessage,
  res: ServerResponse,
  answer: ForwardAnswer,
  gone: AbortSignal,
): Promise<void> {
  const { status, headers, body } = answer;
  if (req.method === 'HEAD' || NO_CONTENT.has(status)) {
    // No byte behind the head could say that the answer broke off, so it is complete before the head goes out.
    for await (const _ of body);
    res.writeHead(status, answerFields(headers)).end();
    return;
  }
  res.writeHead(status, answerFields(headers));
  // The head shares a packet with content that is already here, and does not wait for content that is not.
  const flush = setImmediate(() => res.destroyed || res.write(NOTHING));
  try {
    for await (const piece of body) {
      clearImmediate(flush);
      if (!res.write(piece)) await once(res, 'drain', { signal: gone });
    }
  } finally {
    clearImmediate(flush);
  }
  if (answer.trailers.length > 0)
    res.addTrailers(answer.trailers.map(([name, value]): [string, string] => [name, value]));
  res.end();
}

/** Answers in the egress's own name; an answer that has begun is broken off, so that it does not look complete. */
function fail(res: ServerResponse, error: unknown): Failure {
  const failure = error instanceof LocalRefusal ? error.failure : failureOf(error);
  if (res.headersSent) res.destroy();
  else answerFailure(res, failure);
  return failure;
}

export function answerFailure(res: ServerResponse, failure: Failure): void {
  const { headers, body } = problemOf(failure);
  res.writeHead(failure.status, headers).end(body);
}

// 4 account

function account(
  log: Log,
  req: IncomingMessage,
  res: ServerResponse,
  facts: { failure: Failure | undefined; gone: boolean; startedMs: number },
): void {
  const { failure, gone, startedMs } = facts;
  log(failure ? 'warning' : 'info', gone ? 'caller went away' : 'request', {
    method: req.method,
    status: res.headersSent ? res.statusCode : undefined,
    code: failure?.code,
    mayHaveRun: failure?.mayHaveRun,
    ms: Math.round((performance.now() - startedMs) * 10) / 10,
  });
}
