// What a process holds at one moment: memory after a garbage collection, and everything that would keep it running.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Sizes in MB. */
export interface Sample {
  readonly heapMb: number;
  /** Of buffers, outside of the heap. */
  readonly buffersMb: number;
  readonly rssMb: number;
  readonly sockets: number;
  readonly timers: number;
  /** Everything else that is active: servers, requests to the system, signals. */
  readonly otherHandles: number;
  readonly fileDescriptors: number;
}

const BYTES_PER_MB = 1_048_576;
const SOCKETS = new Set(['TCPSocketWrap', 'TLSWrap', 'PipeWrap']);
const TIMERS = new Set(['Timeout', 'Immediate']);
/** A finalizer may free what the next collection finds. */
const COLLECTIONS = 3;
const BETWEEN_COLLECTIONS_MS = 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A sample of this process. */
export async function takeSample(): Promise<Sample> {
  for (let i = 0; i < COLLECTIONS; i += 1) {
    collectGarbage();
    await sleep(BETWEEN_COLLECTIONS_MS);
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const count = (types: ReadonlySet<string>): number => resources.filter((type) => types.has(type)).length;
  const [sockets, timers] = [count(SOCKETS), count(TIMERS)];
  return {
    heapMb: heapUsed / BYTES_PER_MB,
    buffersMb: arrayBuffers / BYTES_PER_MB,
    rssMb: rss / BYTES_PER_MB,
    sockets,
    timers,
    otherHandles: resources.length - sockets - timers,
    fileDescriptors: readdirSync('/proc/self/fd').length,
  };
}
