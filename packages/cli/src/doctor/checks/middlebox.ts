// What boxes on the way do to bodies: limit them, hold uploads back, hold answers back. The relay answers all but the
// last by itself, as soon as it has opened the head; nothing runs upstream.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, encodeEnd, encodeRequestStart } from '@mte-relay/protocol';
import { type Examination, harmless, tenths } from '../examination.ts';
import { explain } from '../explain.ts';
import { bodyOf, type OuterAnswer, reasonOf, responseOf } from '../hop.ts';
import {
  type DoctorSession,
  type InnerAnswer,
  innerAnswerOf,
  isSealed,
  openAnswer,
  POST_MESSAGE,
  type SealedRequest,
} from '../seal.ts';
import { judgeUpstream } from './sealed.ts';

const MEGABYTE = 1_000_000;
/** Sealed bytes are these and up to 0.1 % more. */
const PIECE_BYTES = 65_536;
/** How long the relay's early answer may take before the upload counts as held back. */
const EARLY_MS = 2_000;
/** How long a first event is waited for. */
const FIRST_EVENT_MS = 8_000;
/** Pieces of one answer that arrive further apart than this were not gathered. */
const GATHERED_MS = 50;
/** An answer that is no stream but a refusal, is not longer. */
const SHORT_ANSWER_BYTES = 65_536;

/** Sealed requests of growing size, of which the relay opens the head and throws the rest away. */
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
      const answer = await own.post(sealed, true);
      if (!isSealed(answer)) {
        const { saw, todo } = explain(answer);
        return report.fail('uploads', `${size} do not arrive: ${saw}; ${passedBytes} bytes do`, todo, {
          passedBytes,
          failedBytes: bytes,
        });
      }
      await openAnswer(sealed.exchange, answer.body);
    } catch (error) {
      return report.fail(
        'uploads',
        `${size} do not arrive: ${reasonOf(error)}; ${passedBytes} bytes do`,
        'a box breaks off: see its limits on bodies and time',
        { passedBytes, failedBytes: bytes },
      );
    }
    passedBytes = bytes;
  }
  report.ok('uploads', `${sizes.map((bytes) => `${bytes / MEGABYTE} MB`).join(' and ')} arrive`, { passedBytes });
}

/**
 * Half a message: the relay answers as soon as it has opened the first chunk, unless a box waits for the rest. The
 * second half is sent in any case.
 */
export async function checkUploadStreaming({ hop, session, report }: Examination): Promise<void> {
  const check = 'upload stream';
  const own = session as DoctorSession;
  const exchange = await own.begin();
  const start = await exchange.seal(encodeRequestStart(harmless(own)));
  const req = hop.open({ ...POST_MESSAGE, fresh: true });
  const beganMs = performance.now();
  const response = responseOf(req);
  response.catch(() => undefined);
  req.write(Buffer.concat([exchange.header, start]));
  const waiting = new AbortController();
  try {
    const early = await Promise.race([response, sleep(EARLY_MS, undefined, { signal: waiting.signal })]);
    const ms = tenths(performance.now() - beganMs);
    req.end(await exchange.sealFinal(encodeEnd()));
    const res = await response;
    const answer: OuterAnswer = {
      status: res.statusCode as number,
      headers: res.headers,
      values: () => [],
      body: await bodyOf(res),
      headMs: ms,
      totalMs: ms,
    };
    if (!isSealed(answer)) {
      const { saw, todo } = explain(answer);
      return report.fail(check, `a request without content-length does not arrive: ${saw}`, todo);
    }
    if (early)
      return report.ok(check, `half a request was answered after ${ms} ms: uploads pass as they are sent`, { ms });
    report.warn(
      check,
      'the relay saw nothing before the whole request was sent',
      'a box gathers uploads: switch that off (Application Gateway: enableRequestBuffering false; nginx: proxy_request_buffering off), or large ones fill its disk and wait twice',
    );
  } catch (error) {
    report.fail(
      check,
      `a request without content-length does not arrive: ${reasonOf(error)}`,
      'a box takes no chunked requests: let it',
    );
  } finally {
    waiting.abort();
  }
}

/** The first event of a stream of the upstream, when `--stream` names one. */
export async function checkAnswerStreaming({ hop, session, options, report, tlsProven }: Examination): Promise<void> {
  const check = 'answer stream';
  const { streamPath, pins } = options;
  if (streamPath === undefined)
    return report.skip(check, 'nothing was asked; --stream /events would read a stream of the upstream');
  if (pins.length === 0 && !tlsProven)
    return report.skip(check, 'with neither a pin nor a good certificate nobody knows who would read the path');
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
    const saw = failure ?? `nothing came within ${FIRST_EVENT_MS / 1000} s`;
    return report.warn(
      check,
      saw,
      'a silent stream, or a box that gathers answers: switch that off (Application Gateway: enableResponseBuffering false; nginx: proxy_buffering off)',
    );
  }
  const facts = { firstMs: tenths(firstMs), lastMs: tenths(lastMs), pieces: piecesMs.length, ended };
  if (!ended || lastMs - firstMs > GATHERED_MS) {
    return report.ok(check, `its first piece came after ${facts.firstMs} ms, while it goes on`, facts);
  }
  report.warn(
    check,
    `all of it came at once, after ${facts.firstMs} ms`,
    'a short answer, or a box that gathers answers: switch that off (Application Gateway: enableResponseBuffering false; nginx: proxy_buffering off)',
    facts,
  );
}

type Arrivals =
  | { readonly refusal: OuterAnswer }
  | {
      readonly piecesMs: readonly number[];
      readonly ended: boolean;
      readonly failure?: string;
      /** The answer, if it ended and is short. */
      readonly whole?: InnerAnswer | undefined;
    };

/** When the opened pieces of an answer came, until it ended or the time was over. */
async function arrivalsOf(
  req: ReturnType<Examination['hop']['open']>,
  { exchange, bytes }: SealedRequest,
): Promise<Arrivals> {
  const piecesMs: number[] = [];
  const kept: Bytes[] = [];
  let left = SHORT_ANSWER_BYTES;
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
    return { piecesMs, ended: true, whole: left >= 0 ? innerAnswerOf(kept) : undefined };
  } catch (error) {
    // Ended by the time: what came until then is the answer.
    return { piecesMs, ended: false, ...(timeIsUp ? {} : { failure: reasonOf(error) }) };
  } finally {
    clearTimeout(deadline);
    req.destroy();
  }
}
