// The sealed load, a process of its own that the runner pins to the load core and drives by IPC: every request is
// sealed with its own number and nonce, every response opened and its Binary HTTP compared with what the upstream
// sends. wrk cannot do this, and the SDK's fetch would measure the SDK; so bare sockets and the synchronous provider.
import { Buffer } from 'node:buffer';
import {
  BhttpDecoder,
  type Bytes,
  ChunkOpener,
  ChunkSealer,
  ChunkSplitter,
  CONTENT_TYPE_MESSAGE,
  encodeMessageHeader,
  encodeRequest,
  MESSAGE_HEADER_BYTES,
  MESSAGE_NONCE_BYTES,
  MESSAGE_TYPE_EXCHANGE,
  PATH_EXCHANGE,
  type ResponseHead,
  requestKey,
  responseKey,
  SINGLE_CHUNK_OVERHEAD_BYTES,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { Latencies } from './latency.ts';
import type { LoadResult, SealedJob } from './load.ts';
import { RawConnection, type RawResponse } from './raw-connection.ts';
import { CONTENT_TYPE, httpRequestHead, PATH, REQUEST_BODY, RESPONSE_BODY } from './workload.ts';

/** After the last request went out, responses may take this long before they count as missing. */
const DRAIN_MAX_MS = 5000;
const FAILURES_KEPT = 5;
/** The final chunk's prefix is one zero byte, which a fresh buffer already holds (SPEC §5.3). */
const FINAL_CHUNK_PREFIX_BYTES = 1;

const suite = nodeSuite();

/** One connection with one request in flight, one after the other until the run ends. */
class SealedLane {
  readonly #session: SealedClient;
  readonly #run: Run;
  readonly #request: Buffer;
  readonly #plaintext: Bytes;
  readonly #messageStart: number;
  #header: Bytes = new Uint8Array(0);
  #sentAtMs = 0;
  connection: RawConnection | undefined;

  constructor(session: SealedClient, run: Run, port: number, plaintext: Bytes) {
    this.#session = session;
    this.#run = run;
    this.#plaintext = plaintext;
    const messageBytes = MESSAGE_HEADER_BYTES + SINGLE_CHUNK_OVERHEAD_BYTES - MESSAGE_NONCE_BYTES + plaintext.length;
    const head = httpRequestHead(PATH_EXCHANGE, port, CONTENT_TYPE_MESSAGE, messageBytes);
    this.#messageStart = head.length;
    this.#request = Buffer.concat([head, new Uint8Array(messageBytes)]);
  }

  sendNext(): void {
    const { keys, parameters } = this.#session;
    const n = this.#session.nextN++;
    if (n >= parameters.messageLimit) {
      this.#run.laneFailed(`the session's ${parameters.messageLimit} messages are used up: measure for a shorter time`);
      return;
    }
    this.#sentAtMs = performance.now();
    const header = encodeMessageHeader(MESSAGE_TYPE_EXCHANGE, keys.sid, n, suite.randomBytes(MESSAGE_NONCE_BYTES));
    this.#header = header;
    const ciphertext = new ChunkSealer(requestKey(keys.requestSecret, header)).sealFinal(this.#plaintext);
    const request = this.#request;
    request.set(header, this.#messageStart);
    request.set(ciphertext, this.#messageStart + MESSAGE_HEADER_BYTES + FINAL_CHUNK_PREFIX_BYTES);
    this.connection?.send(request);
  }

  readonly handlers = {
    onResponse: (response: RawResponse): void => {
      try {
        this.#check(response);
      } catch (error) {
        this.#run.responseFailed((error as Error).message);
      }
      this.#run.responded(performance.now() - this.#sentAtMs, this);
    },
    onFailure: (reason: string): void => this.#run.laneFailed(reason),
  };

  #check({ status, body }: RawResponse): void {
    if (status !== 200) throw new Error(`status ${status}: ${body.toString('latin1', 0, 200)}`);
    const responseNonce = new Uint8Array(body.subarray(0, MESSAGE_NONCE_BYTES));
    const opener = new ChunkOpener(responseKey(this.#session.keys.responseSecret, this.#header, responseNonce));
    const splitter = new ChunkSplitter();
    const decoder = new BhttpDecoder<ResponseHead>('response', new ExpectedResponse());
    splitter.push(body.subarray(MESSAGE_NONCE_BYTES) as Bytes);
    for (let chunk = splitter.next(); chunk; chunk = splitter.next()) decoder.push(opener.open(chunk));
    decoder.push(opener.openFinal(splitter.end()));
    decoder.end();
  }
}

/** Throws unless the decoded response is the upstream's 200 with its very bytes. */
class ExpectedResponse {
  #contentBytes = 0;

  onHead(head: ResponseHead): void {
    if (head.status !== 200) throw new Error(`inner status ${head.status}`);
  }

  onContent(content: Bytes): void {
    const end = this.#contentBytes + content.length;
    if (
      end > RESPONSE_BODY.length ||
      RESPONSE_BODY.compare(content, 0, content.length, this.#contentBytes, end) !== 0
    ) {
      throw new Error('inner content differs from what the upstream sent');
    }
    this.#contentBytes = end;
  }

  onEnd(): void {
    if (this.#contentBytes !== RESPONSE_BODY.length) throw new Error(`inner content has ${this.#contentBytes} bytes`);
  }
}

/** The counts of one measurement, and its end. */
class Run {
  readonly latencies = new Latencies();
  readonly failures: string[] = [];
  failureCount = 0;
  lastResponseMs = 0;
  #lanesOpen: number;
  readonly #stopAtMs: number;
  readonly #finished = Promise.withResolvers<void>();

  constructor(connections: number, stopAtMs: number) {
    this.#lanesOpen = connections;
    this.#stopAtMs = stopAtMs;
  }

  responded(latencyMs: number, lane: SealedLane): void {
    this.latencies.record(latencyMs);
    this.lastResponseMs = performance.now();
    if (this.lastResponseMs < this.#stopAtMs) lane.sendNext();
    else this.#laneDone();
  }

  responseFailed(reason: string): void {
    this.failureCount += 1;
    if (this.failures.length < FAILURES_KEPT) this.failures.push(reason);
  }

  laneFailed(reason: string): void {
    this.responseFailed(reason);
    this.#laneDone();
  }

  /** Resolves when every connection has its last response. */
  async finished(): Promise<void> {
    const limitMs = this.#stopAtMs - performance.now() + DRAIN_MAX_MS;
    const timer = setTimeout(() => {
      this.responseFailed(`${this.#lanesOpen} responses missing ${DRAIN_MAX_MS} ms after the end`);
      this.#finished.resolve();
    }, limitMs);
    await this.#finished.promise;
    clearTimeout(timer);
  }

  #laneDone(): void {
    this.#lanesOpen -= 1;
    if (this.#lanesOpen === 0) this.#finished.resolve();
  }
}

async function measure({ port, connections, seconds }: SealedJob): Promise<LoadResult> {
  const session = await SealedClient.pair(port);
  const plaintext = encodeRequest(
    {
      method: 'POST',
      scheme: 'http',
      authority: session.authority,
      path: PATH,
      headers: withSentTime([['content-type', CONTENT_TYPE]]),
    },
    new Uint8Array(REQUEST_BODY),
  );
  const run = new Run(connections, performance.now() + seconds * 1000);
  const lanes: SealedLane[] = [];
  for (let i = 0; i < connections; i += 1) {
    const lane = new SealedLane(session, run, port, plaintext);
    lane.connection = await RawConnection.open(port, lane.handlers);
    lanes.push(lane);
  }
  const cpuBefore = process.cpuUsage();
  const beganMs = performance.now();
  for (const lane of lanes) lane.sendNext();
  await run.finished();
  for (const lane of lanes) lane.connection?.close();
  const cpu = process.cpuUsage(cpuBefore);
  const durationSeconds = (Math.max(run.lastResponseMs, beganMs + 1) - beganMs) / 1000;
  const requests = run.latencies.total;
  if (requests > 0) run.latencies.correctForStalls((durationSeconds * 1000 * connections) / requests);
  return {
    requests,
    durationSeconds,
    p50Ms: run.latencies.percentileMs(0.5),
    p99Ms: run.latencies.percentileMs(0.99),
    loadCpuSeconds: (cpu.user + cpu.system) / 1e6,
    failureCount: run.failureCount,
    failures: run.failures,
  };
}

process.on('message', (job: SealedJob) => {
  measure(job).then(
    (result) => process.send?.(result),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
