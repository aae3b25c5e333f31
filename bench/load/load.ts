// The two ways to load a subject. Plain subjects get wrk: it costs so little that nginx reaches its own limit on the
// other core, which a generator in Node would keep it from. Sealed ones get sealed.ts, since wrk cannot seal. Both keep
// one request in flight per connection, send the same three header fields, and correct percentiles for stalls the same
// way; what they cost themselves is reported, so that a limit on the load's side is seen.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endAll, type Started, start } from './processes.ts';
import { RawConnection } from './raw-connection.ts';
import { CONTENT_TYPE, PATH, plainRequestBytes, REQUEST_BODY, RESPONSE_BODY } from './workload.ts';

/** One measurement as the load saw it. */
export interface LoadResult {
  readonly requests: number;
  readonly durationSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU that the generator itself used. */
  readonly loadCpuSeconds: number;
  /** Responses that were missing, not 200, not openable, or not what the upstream sent. */
  readonly failureCount: number;
  /** The first few of them in words. */
  readonly failures: readonly string[];
}

/** The job that the runner gives to sealed.ts; its result is a LoadResult, or `{error}`. */
export interface SealedJob {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
}

export type Load = (port: number, connections: number, seconds: number) => Promise<LoadResult>;

/** Beyond its measuring time a generator may take this long before it counts as hung. */
const LOAD_GRACE_MS = 15_000;

const WRK_SCRIPT = join(import.meta.dirname, 'wrk.lua');
const SEALED_SCRIPT = join(import.meta.dirname, 'sealed.ts');

/** wrk on the given core. */
export function wrkLoad(core: number, directory: string): Load {
  const bodyFile = join(directory, 'request.json');
  writeFileSync(bodyFile, REQUEST_BODY);
  return async (port, connections, seconds) => {
    const responseBytes = await probe(port);
    const url = `http://127.0.0.1:${port}${PATH}`;
    const options = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '5s', '-s', WRK_SCRIPT];
    const wrk = start('wrk', ['wrk', ...options, url, '--', bodyFile, CONTENT_TYPE], { core });
    await exited(wrk, seconds * 1000 + LOAD_GRACE_MS);
    return readWrk(wrk, responseBytes, connections);
  };
}

function readWrk(wrk: Started, responseBytes: number, connections: number): LoadResult {
  const line = /^RESULT (\{.*\})$/m.exec(wrk.output())?.[1];
  if (!line) throw new Error(`wrk gave no result: ${wrk.output().trim()}`);
  const result = JSON.parse(line) as Record<string, number>;
  const number = (name: string): number => result[name] ?? Number.NaN;
  const failures: string[] = [];
  let failureCount = 0;
  for (const kind of ['connectErrors', 'readErrors', 'writeErrors', 'statusErrors', 'timeouts']) {
    if (number(kind) === 0) continue;
    failureCount += number(kind);
    failures.push(`wrk counted ${number(kind)} ${kind}`);
  }
  // wrk looks at statuses alone; the byte count shows whether every response was as long as the one that was compared.
  // Its count includes the bytes of responses that were unfinished at the end.
  const strayBytes = number('bytes') - number('requests') * responseBytes;
  if (strayBytes < 0 || strayBytes > connections * responseBytes) {
    failureCount += 1;
    failures.push(`responses differ in length from the probed ${responseBytes} bytes: ${strayBytes} bytes over all`);
  }
  return {
    requests: number('requests'),
    durationSeconds: number('durationUs') / 1e6,
    p50Ms: number('p50Us') / 1000,
    p99Ms: number('p99Us') / 1000,
    loadCpuSeconds: number('cpuSeconds'),
    failureCount,
    failures,
  };
}

/** Sends the very request that wrk sends and compares the response byte by byte; returns its length, head included. */
async function probe(port: number): Promise<number> {
  const probed = Promise.withResolvers<number>();
  const connection = await RawConnection.open(port, {
    onResponse: ({ status, body, wireBytes }) => {
      if (status !== 200) probed.reject(new Error(`probe of port ${port} responded ${status}`));
      else if (!body.equals(RESPONSE_BODY)) probed.reject(new Error(`probe of port ${port} got another body`));
      else probed.resolve(wireBytes);
    },
    onFailure: (reason) => probed.reject(new Error(`probe of port ${port}: ${reason}`)),
  });
  connection.send(plainRequestBytes(port));
  const timer = setTimeout(() => probed.reject(new Error(`probe of port ${port} got no response`)), 5000);
  try {
    return await probed.promise;
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

/** The sealed generator on the given core; it lives as long as the bench, so that it too is warm. */
export function sealedLoad(core: number): Load {
  let generator: Started | undefined;
  return async (port, connections, seconds) => {
    generator ??= start('sealed load', [process.execPath, SEALED_SCRIPT], { core, ipc: true });
    return await ask(generator, { port, connections, seconds });
  };
}

function ask(generator: Started, job: SealedJob): Promise<LoadResult> {
  const { child } = generator;
  return new Promise((resolve, reject) => {
    const limitMs = job.seconds * 1000 + LOAD_GRACE_MS;
    const timer = setTimeout(() => settle(() => reject(new Error('the sealed load gave no result'))), limitMs);
    const onExit = (): void => settle(() => reject(new Error(`the sealed load ended: ${generator.output().trim()}`)));
    const onMessage = (message: LoadResult | { error: string }): void =>
      settle(() => ('error' in message ? reject(new Error(`sealed load: ${message.error}`)) : resolve(message)));
    function settle(outcome: () => void): void {
      clearTimeout(timer);
      child.off('exit', onExit);
      child.off('message', onMessage);
      outcome();
    }
    child.once('exit', onExit);
    child.once('message', onMessage);
    child.send(job);
  });
}

function exited(started: Started, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      endAll().catch(reject);
      reject(new Error(`${started.name} did not end within ${limitMs} ms`));
    }, limitMs);
    // 'close' and not 'exit': only then has all of its output arrived.
    started.child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
