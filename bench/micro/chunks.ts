// Streaming: 4 MiB in full chunks, sealed and opened again as a download would be.
import {
  CHUNK_PLAINTEXT_MAX_BYTES,
  ChunkOpener,
  ChunkSealer,
  openChunks,
  type Suite,
  sealChunks,
} from '@mte-relay/protocol';
import { group } from 'mitata';
import { random, suites } from './fixtures.ts';
import { benchBytes } from './throughput.ts';

const CHUNKS = 64;
const STREAM_BYTES = CHUNKS * CHUNK_PLAINTEXT_MAX_BYTES;
const pieces = Array.from({ length: CHUNKS }, () => random(CHUNK_PLAINTEXT_MAX_BYTES));
const key = random(32);

async function sealAll(suite: Suite): Promise<Uint8Array<ArrayBuffer>[]> {
  const sealed: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of sealChunks(new ChunkSealer(await suite.importAead(key)), pieces)) sealed.push(piece);
  return sealed;
}

async function openAll(suite: Suite, sealed: Uint8Array<ArrayBuffer>[]): Promise<void> {
  let bytes = 0;
  for await (const piece of openChunks(new ChunkOpener(await suite.importAead(key)), sealed)) bytes += piece.length;
  if (bytes !== STREAM_BYTES) throw new Error(`opened ${bytes} of ${STREAM_BYTES} bytes`);
}

const prepared: [Suite, Uint8Array<ArrayBuffer>[]][] = [];
for (const suite of suites) prepared.push([suite, await sealAll(suite)]);
group(() => {
  for (const [suite, sealed] of prepared) {
    benchBytes(`stream seal 4 MiB in 64 KiB chunks, ${suite.name}`, STREAM_BYTES, () => sealAll(suite));
    benchBytes(`stream open 4 MiB in 64 KiB chunks, ${suite.name}`, STREAM_BYTES, () => openAll(suite, sealed));
  }
});
