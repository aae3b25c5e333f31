// A process with clients of the SDK, as apps have them: started by clients.ts, it calls until it is asked to finish and
// reports every outcome.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelayClient, type RelayClient, RelayClientError } from '@mte-relay/client';
import { nowMs } from '../clock.ts';
import {
  CALL_FIELD,
  CALL_PATH,
  type Call,
  callOf,
  contentOfCall,
  DIGEST_FIELD,
  digestOf,
  responseTo,
} from './calls.ts';
import type { ClientJob, FromClient, Outcome, OutcomeEvent, ToClient, Told } from './outcome.ts';

const REPORT_INTERVAL_MS = 100;
const PIECES = 4;
/** After a failure, as apps do; otherwise an outage is all that the calls of a campaign meet. */
const PAUSE_AFTER_FAILURE_MS = 100;
/** Now and then an app replaces its session by itself. */
const PAIR_INTERVAL_MS = 4_000;

/** The call in which the SDK's code runs. */
const current = new AsyncLocalStorage<string>();
const unreported: Outcome[] = [];
let finishing = false;

process.once('disconnect', () => process.exit()); // the campaign has ended, in whatever way
process.on('message', (message: ToClient) => {
  if ('finish' in message) finishing = true;
  else void work(message.job);
});

async function work(job: ClientJob): Promise<void> {
  const reporting = setInterval(report, REPORT_INTERVAL_MS);
  await Promise.all(job.clients.map(({ number, url }) => runClient(job, number, url)));
  clearInterval(reporting);
  report();
  send({ finished: true }, () => process.disconnect?.());
}

function report(): void {
  if (unreported.length > 0) send({ outcomes: unreported.splice(0) });
}

function send(message: FromClient, done: () => void = () => undefined): void {
  (process.send as (message: FromClient, ...more: unknown[]) => void)(message, undefined, undefined, done);
}

async function runClient(job: ClientJob, number: number, url: string): Promise<void> {
  const client = createRelayClient(url, { pins: [job.pin], fetch: namingFetch });
  const resends = new Map<string, OutcomeEvent[]>();
  client.on('resend', ({ url: resent, reason }) => {
    resends.get(new URL(resent).pathname)?.push({ atMs: nowMs(), what: `resends after ${reason}` });
  });
  const pairing = setInterval(() => void client.pair().catch(() => undefined), PAIR_INTERVAL_MS);
  const worker = async (index: number): Promise<void> => {
    for (let i = 0; !finishing; i += 1) {
      const outcome = await outcomeOf(job, number, client, `${number}-${index}-${i}`, resends);
      unreported.push(outcome);
      if (outcome.told !== 'success' && outcome.told !== 'aborted') await sleep(PAUSE_AFTER_FAILURE_MS);
    }
  };
  await Promise.all(Array.from({ length: job.concurrency }, (_, index) => worker(index)));
  clearInterval(pairing);
  client.close();
}

/** The platform's fetch; each request of the outer hop names the call that it is for. */
const namingFetch: typeof fetch = (input, init) => {
  const id = current.getStore();
  return fetch(
    input,
    id === undefined ? init : { ...init, headers: { ...(init?.headers as object), [CALL_FIELD]: id } },
  );
};

async function outcomeOf(
  job: ClientJob,
  number: number,
  client: RelayClient,
  id: string,
  resends: Map<string, OutcomeEvent[]>,
): Promise<Outcome> {
  const call = callOf(job.seed, id);
  const resent: OutcomeEvent[] = [];
  const path = CALL_PATH + id;
  resends.set(path, resent);
  const beganAtMs = nowMs();
  const hung = Promise.withResolvers<readonly [Told, string]>();
  const timer = setTimeout(() => hung.resolve(['hung', `not settled after ${job.hungAfterMs} ms`]), job.hungAfterMs);
  const [told, detail] = await Promise.race([current.run(id, () => perform(client, call)), hung.promise]);
  clearTimeout(timer);
  const settledAtMs = nowMs();
  resends.delete(path);
  const events = [
    { atMs: beganAtMs, what: `calls ${call.method}, ${call.contentBytes} bytes${call.streamed ? ', streamed' : ''}` },
    ...resent,
    { atMs: settledAtMs, what: `is told ${told}${detail && `: ${detail}`}` },
  ];
  return {
    id,
    client: number,
    method: call.method,
    told,
    detail,
    beganAtMs,
    settledAtMs,
    resends: resent.length,
    events,
  };
}

async function perform(client: RelayClient, call: Call): Promise<readonly [Told, string]> {
  const content = contentOfCall(call);
  const digest = digestOf(content);
  const abort = new AbortController();
  const timer = call.abortAfterMs === undefined ? undefined : setTimeout(() => abort.abort(), call.abortAfterMs);
  try {
    const response = await client.fetch(CALL_PATH + call.id, {
      method: call.method,
      headers: { [DIGEST_FIELD]: digest },
      signal: abort.signal,
      ...(content.length > 0 && (call.streamed ? { body: streamOf(content), duplex: 'half' } : { body: content })),
    });
    const text = await response.text();
    if (response.headers.has('mte-relay-failure')) return toldBy(response.status, text);
    if (response.status === 200 && text === responseTo(call.id, digest)) return ['success', ''];
    return ['wrong', `${response.status} ${text.slice(0, 80)}`];
  } catch (error) {
    if (abort.signal.aborted) return ['aborted', ''];
    if (!(error instanceof RelayClientError)) return ['wrong', String(error)];
    return [error.mayHaveRun ? 'may-have-run' : 'never-ran', `${error.code}: ${error.message}`];
  } finally {
    clearTimeout(timer);
  }
}

/** A failure of the relay, inside the seal. */
function toldBy(status: number, text: string): readonly [Told, string] {
  const { upstreamSaw, code } = JSON.parse(text) as { upstreamSaw?: unknown; code?: unknown };
  return [upstreamSaw === 'no' ? 'never-ran' : 'may-have-run', `${status} ${code}`];
}

function streamOf(content: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieceBytes = Math.ceil(content.length / PIECES);
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      await sleep(1);
      controller.enqueue(content.slice(at, at + pieceBytes));
      at += pieceBytes;
      if (at >= content.length) controller.close();
    },
  });
}
