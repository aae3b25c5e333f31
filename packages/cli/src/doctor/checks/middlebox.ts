// What intermediaries do to bodies: limit them, buffer uploads, buffer responses. For all but the last check, the relay
// itself responds once it has opened the head, and the upstream does not get a request.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, encodeEnd, encodeRequestStart } from '@mte-relay/protocol';
import { type Examination, harmless, tenths } from '../examination.ts';
import { explain } from '../explain.ts';
import { bodyOf, type OuterResponse, reasonOf, responseOf } from '../hop.ts';
import {
  type DoctorSession,
  type InnerResponse,
  innerResponseOf,
  isSealed,
  openResponse,
  POST_MESSAGE,
  type SealedRequest,
} from '../seal.ts';
import { judgeUpstream } from './sealed.ts';

const MEGABYTE = 1_000_000;
/** The sealed form is up to 0.1 % longer. */
const PIECE_BYTES = 65_536;
/** If the relay's early response takes longer, an intermediary buffers the upload. */
const EARLY_MS = 2_000;
/** Timeout of the first event. */
const FIRST_EVENT_MS = 8_000;
/** Pieces of one response that arrive further apart than this were not buffered. */
const BUFFERED_MS = 50;
/** A refusal instead of a stream is not longer. */
const SHORT_RESPONSE_BYTES = 65_536;

/** Sends sealed requests of growing size. The relay opens the head and discards the rest. */
export async function checkUploads({ session, options, report }: Examination): Promise<void> {
  const own = session as DoctorSession;
  const most = Math.min(options.uploadMaxBytes, own.parameters.requestBodyMaxBytes);
  if (most === 0) return report.skip('uploads', '--upload-mb 0');
  const sizes = [MEGABYTE, most].filter((bytes, at) => at > 0 || bytes < most);
  const piece = new Uint8Array(randomBytes(PIECE_BYTES));
  let passedBytes = 0;
  for (const bytes of sizes) {
    const size = `${bytes / MEGABYTE} MB`;
    const sealed = await own.sealLarge(harmless(own), bytes, piece);
    try {
      const response = await own.post(sealed, true);
      if (!isSealed(response)) {
        const { saw, todo } = explain(response);
        return report.fail('uploads', `${size} do not arrive: ${saw}; ${passedBytes} bytes do`, todo, {
          passedBytes,
          failedBytes: bytes,
        });
      }
      await openResponse(sealed.exchange, response.body);
    } catch (error) {
      return report.fail(
        'uploads',
        `${size} do not arrive: ${reasonOf(error)}; ${passedBytes} bytes do`,
        'an intermediary closes the connection: check its limits on bodies and time',
        { passedBytes, failedBytes: bytes },
      );
    }
    passedBytes = bytes;
  }
  report.ok('uploads', `${sizes.map((bytes) => `${bytes / MEGABYTE} MB`).join(' and ')} arrive`, { passedBytes });
}

/**
 * Sends half a message. The relay responds once it has opened the first chunk, unless an intermediary buffers the upload.
 * The second half follows in any case.
 */
export async function checkUploadStreaming({ hop, session, report }: Examination): Promise<void> {
  const check = 'upload stream';
  const own = session as DoctorSession;
  const exchange = await own.begin();
  const start = await exchange.seal(encodeRequestStart(harmless(own)));
  const req = hop.open({ ...POST_MESSAGE, fresh: true });
  const beganMs = performance.now();
  const arrival = responseOf(req);
  arrival.catch(() => undefined);
  req.write(Buffer.concat([exchange.header, start]));
  const waiting = new AbortController();
  try {
    const early = await Promise.race([arrival, sleep(EARLY_MS, undefined, { signal: waiting.signal })]);
    const ms = tenths(performance.now() - beganMs);
    req.end(await exchange.sealFinal(encodeEnd()));
    const res = await arrival;
    const response: OuterResponse = {
      status: res.statusCode as number,
      headers: res.headers,
      values: () => [],
      body: await bodyOf(res),
      headMs: ms,
      totalMs: ms,
    };
    if (!isSealed(response)) {
      const { saw, todo } = explain(response);
      return report.fail(check, `a request without content-length does not arrive: ${saw}`, todo);
    }
    if (early) return report.ok(check, `the relay responded to half a request after ${ms} ms: uploads stream`, { ms });
    report.warn(
      check,
      'the relay got no part of the request before it was complete',
      'an intermediary buffers uploads: switch that off (Application Gateway: enableRequestBuffering false; nginx: proxy_request_buffering off), or large ones fill its disk and take twice as long',
    );
  } catch (error) {
    report.fail(
      check,
      `a request without content-length does not arrive: ${reasonOf(error)}`,
      'an intermediary does not forward chunked requests: let it forward them',
    );
  } finally {
    waiting.abort();
  }
}

/** Reads the start of the upstream's stream that `--stream` names. */
export async function checkResponseStreaming({ hop, session, options, report, tlsProven }: Examination): Promise<void> {
  const check = 'response stream';
  const { streamPath, pins } = options;
  if (streamPath === undefined) return report.skip(check, 'use --stream /events to read a stream of the upstream');
  if (pins.length === 0 && !tlsProven)
    return report.skip(check, 'without a pin or a trusted certificate, an unknown relay would read the path');
  const own = session as DoctorSession;
  const sealed = await own.seal(own.head('GET', streamPath));
  const arrivals = await arrivalsOf(hop.open({ ...POST_MESSAGE, fresh: true }), sealed);
  if ('refusal' in arrivals) {
    const { saw, todo } = explain(arrivals.refusal);
    return report.fail(check, `GET ${streamPath}: ${saw}`, todo);
  }
  const { piecesMs, ended, failure, whole } = arrivals;
  if (whole && whole.status >= 400) {
    return judgeUpstream(report, check, whole, { what: `GET ${streamPath}`, ms: tenths(piecesMs[0] ?? 0) });
  }
  const [firstMs, lastMs] = [piecesMs[0], piecesMs.at(-1)];
  if (firstMs === undefined || lastMs === undefined) {
    const saw = failure ?? `nothing arrived within ${FIRST_EVENT_MS / 1000} s`;
    return report.warn(
      check,
      saw,
      'the stream is silent, or an intermediary buffers responses: switch that off (Application Gateway: enableResponseBuffering false; nginx: proxy_buffering off)',
    );
  }
  const facts = { firstMs: tenths(firstMs), lastMs: tenths(lastMs), pieces: piecesMs.length, ended };
  if (!ended || lastMs - firstMs > BUFFERED_MS) {
    return report.ok(check, `the first piece arrived after ${facts.firstMs} ms, before the stream ended`, facts);
  }
  report.warn(
    check,
    `everything arrived at once, after ${facts.firstMs} ms`,
    'the response is short, or an intermediary buffers responses: switch that off (Application Gateway: enableResponseBuffering false; nginx: proxy_buffering off)',
    facts,
  );
}

type Arrivals =
  | { readonly refusal: OuterResponse }
  | {
      readonly piecesMs: readonly number[];
      readonly ended: boolean;
      readonly failure?: string;
      /** The response, if it is short and complete. */
      readonly whole?: InnerResponse | undefined;
    };

/** Arrival times of a response's opened pieces, until its end or the timeout. */
async function arrivalsOf(
  req: ReturnType<Examination['hop']['open']>,
  { exchange, bytes }: SealedRequest,
): Promise<Arrivals> {
  const piecesMs: number[] = [];
  const kept: Bytes[] = [];
  let left = SHORT_RESPONSE_BYTES;
  const beganMs = performance.now();
  let timeIsUp = false;
  const deadline = setTimeout(() => {
    timeIsUp = true;
    req.destroy();
  }, FIRST_EVENT_MS);
  try {
    const res = await responseOf(req.end(bytes));
    const head = { status: res.statusCode as number, headers: res.headers };
    if (!isSealed(head)) {
      const ms = performance.now() - beganMs;
      return { refusal: { ...head, values: () => [], body: await bodyOf(res), headMs: ms, totalMs: ms } };
    }
    for await (const piece of exchange.openResponse(res)) {
      if (piece.length > 0) piecesMs.push(performance.now() - beganMs);
      left -= piece.length;
      if (left >= 0) kept.push(piece);
    }
    return { piecesMs, ended: true, whole: left >= 0 ? innerResponseOf(kept) : undefined };
  } catch (error) {
    // After the timeout the earlier pieces are the result.
    return { piecesMs, ended: false, ...(timeIsUp ? {} : { failure: reasonOf(error) }) };
  } finally {
    clearTimeout(deadline);
    req.destroy();
  }
}
