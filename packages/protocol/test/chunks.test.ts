// Chunks: every boundary length in every size of write, sealed and opened by each pair of providers; the splitter's
// limits; and what neither sealer nor opener lets its owner do.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ChunkOpener,
  ChunkSealer,
  ChunkSplitter,
  chunkPrefix,
  FINAL_CHUNK_PREFIX,
  openChunks,
  sealChunks,
} from '../src/chunks.ts';
import { CHUNK_CIPHERTEXT_MAX_BYTES, CHUNK_PLAINTEXT_MAX_BYTES } from '../src/constants.ts';
import type { Aead, Suite } from '../src/suite.ts';
import { type Bytes, concatBytes, varintSize } from '../src/wire.ts';
import { fromHex, gather, patternBytes, piecesOf, streamOf, toHex } from './support/bytes.ts';
import { bytesCopied } from './support/copies.ts';
import { cutBy } from './support/http-messages.ts';
import { expectRefusal, refusalOf } from './support/refusal.ts';
import { node, suites } from './support/suites.ts';

const KEY = patternBytes(32);
const C = CHUNK_PLAINTEXT_MAX_BYTES;
const none: Bytes = new Uint8Array(0);

async function sealed(suite: Suite, plaintext: Bytes, writeBytes: number): Promise<Bytes[]> {
  const sealer = new ChunkSealer(await suite.importAead(KEY));
  const chunks: Bytes[] = [];
  for await (const chunk of sealChunks(sealer, piecesOf(plaintext, writeBytes))) chunks.push(chunk);
  return chunks;
}

async function opened(suite: Suite, pieces: Iterable<Bytes>): Promise<Bytes> {
  return gather(openChunks(new ChunkOpener(await suite.importAead(KEY)), streamOf(pieces)));
}

describe('boundaries', () => {
  // Each write is a chunk of its own, so the small writes stay with the small messages.
  const cases: ReadonlyArray<[plaintextBytes: number, writes: readonly number[]]> = [
    [0, [1, 7, 1000, C]],
    [1, [1, 7, 1000, C]],
    [7, [1, 7, 1000]],
    [1001, [7, 1000, C]],
    [C - 1, [1000, C]],
    [C, [1000, C]],
    [C + 1, [1000, C, C + 1]],
    [2 * C + 77, [1000, C, 2 * C + 77]],
  ];

  for (const sealing of suites) {
    for (const opening of suites) {
      test(`${sealing.name} seals and ${opening.name} opens every boundary length`, async () => {
        for (const [plaintextBytes, writes] of cases) {
          const plaintext = patternBytes(plaintextBytes);
          for (const writeBytes of writes) {
            const where = `${plaintextBytes} bytes in writes of ${writeBytes}`;
            const chunks = await sealed(sealing, plaintext, writeBytes);
            expect(Buffer.compare(await opened(opening, chunks), plaintext), where).toBe(0);
          }
        }
      });
    }
  }

  test('byte by byte and seven by seven, a whole chunk and one byte more', async () => {
    for (const [plaintextBytes, writeBytes] of [
      [4096, 1],
      [C - 1, 7],
      [C, 7],
      [C + 1, 7],
    ] as const) {
      const plaintext = patternBytes(plaintextBytes);
      const chunks = await sealed(node, plaintext, writeBytes);
      expect(chunks).toHaveLength(Math.ceil(plaintextBytes / writeBytes) + 1);
      expect(Buffer.compare(await opened(node, chunks), plaintext)).toBe(0);
    }
  });

  test('a stream may be cut anywhere', async () => {
    const plaintext = patternBytes(2 * C + 77);
    const message = concatBytes(await sealed(node, plaintext, C));
    for (const pieceBytes of [1000, C, CHUNK_CIPHERTEXT_MAX_BYTES, message.length]) {
      expect(Buffer.compare(await opened(node, piecesOf(message, pieceBytes)), plaintext), `${pieceBytes}`).toBe(0);
    }
    const small = concatBytes(await sealed(node, patternBytes(300), 70));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), async (sizes) => {
        expect(toHex(await opened(node, cutBy(small, sizes)))).toBe(toHex(patternBytes(300)));
      }),
      { numRuns: 100 },
    );
  });

  test('the largest chunks arrive byte by byte without their bytes being copied again and again', () => {
    const splitter = new ChunkSplitter();
    const message = concatBytes([chunkPrefix(CHUNK_CIPHERTEXT_MAX_BYTES), patternBytes(CHUNK_CIPHERTEXT_MAX_BYTES)]);
    const found: number[] = [];
    const copied = bytesCopied(() => {
      for (let times = 0; times < 2; times += 1) {
        for (let at = 0; at < message.length; at += 1) {
          splitter.push(message.subarray(at, at + 1));
          const chunk = splitter.next();
          if (chunk) found.push(chunk.length);
        }
      }
    });
    expect(found).toEqual(new Array(2).fill(CHUNK_CIPHERTEXT_MAX_BYTES));
    // Each byte of both is copied twice; joining what is buffered at every byte would copy more than 4 GB here.
    expect(copied).toBeLessThan(5 * message.length);
  });
});

describe('layout', () => {
  test('a chunk adds its length and a tag, the final one a zero byte and a tag', async () => {
    for (const size of [1, 47, 48, 1000, 16_367, 16_368, C]) {
      const [chunk, final] = (await sealed(node, patternBytes(size), C)) as [Bytes, Bytes];
      expect(chunk).toHaveLength(varintSize(size + 16) + size + 16);
      expect(final).toHaveLength(1 + 16);
      expect(final[0]).toBe(0);
    }
  });

  test('nonces are the chunk’s index and only the final chunk is bound to "final"', async () => {
    const uses: string[] = [];
    const recording: Aead = {
      seal(nonce, associatedData, plaintext) {
        uses.push(`${toHex(nonce)} ${Buffer.from(associatedData).toString()}`);
        return plaintext;
      },
      open: (_nonce, _associatedData, ciphertext) => ciphertext,
    };
    const sealer = new ChunkSealer(recording);
    for (let i = 0; i < 3; i += 1) await sealer.seal(patternBytes(1));
    await sealer.sealFinal(none);
    expect(uses).toEqual(['', '', '', 'final'].map((aad, i) => `${i.toString(16).padStart(24, '0')} ${aad}`));
  });
});

describe('the splitter refuses', () => {
  function pull(bytes: Bytes): Bytes | undefined {
    const splitter = new ChunkSplitter();
    splitter.push(bytes);
    return splitter.next();
  }

  test('a chunk beyond 65,552 bytes, up to 2^60 and more, as soon as its length is there', async () => {
    await expectRefusal('too-large', () => pull(chunkPrefix(CHUNK_CIPHERTEXT_MAX_BYTES + 1)));
    for (const hex of ['d000000000000000', 'ffffffffffffffff', 'c020000000000000', 'c01fffffffffffff', 'bfffffff']) {
      await expectRefusal('too-large', () => pull(fromHex(hex)), hex);
    }
    expect(pull(chunkPrefix(CHUNK_CIPHERTEXT_MAX_BYTES))).toBeUndefined();
  });

  test('a chunk that carries no plaintext', async () => {
    for (const length of [1, 15, 16]) {
      await expectRefusal(
        'malformed',
        () => pull(concatBytes([chunkPrefix(length), patternBytes(length)])),
        `${length}`,
      );
    }
    expect(pull(concatBytes([chunkPrefix(17), patternBytes(17)]))).toHaveLength(17);
  });

  test('a length in more bytes than it needs, zero included', async () => {
    for (const hex of ['4011', '80000011', 'c000000000000011', '4000', '80000000', 'c000000000000000', '80003fff']) {
      await expectRefusal('malformed', () => pull(concatBytes([fromHex(hex), patternBytes(20)])), hex);
    }
  });

  test('a final chunk beyond 65,552 bytes, whether it comes at once or bit by bit', async () => {
    const final = concatBytes([FINAL_CHUNK_PREFIX, patternBytes(CHUNK_CIPHERTEXT_MAX_BYTES)]);
    await expectRefusal('too-large', () => pull(concatBytes([final, Uint8Array.of(0)])));
    const splitter = new ChunkSplitter();
    splitter.push(final);
    expect(splitter.next()).toBeUndefined();
    expect(splitter.end()).toHaveLength(CHUNK_CIPHERTEXT_MAX_BYTES);
    await expectRefusal('too-large', () => splitter.push(Uint8Array.of(0)));
  });

  test('an end before the final chunk has begun', async () => {
    const chunk = concatBytes([chunkPrefix(17), patternBytes(17)]);
    for (let end = 0; end <= chunk.length; end += 1) {
      const splitter = new ChunkSplitter();
      splitter.push(chunk.subarray(0, end));
      splitter.next();
      await expectRefusal('truncated', () => splitter.end(), `${end}`);
    }
  });
});

describe('misuse', () => {
  test('nothing is sealed or opened behind the final chunk', async () => {
    for (const suite of suites) {
      const aead = await suite.importAead(KEY);
      const sealer = new ChunkSealer(aead);
      const last = await sealer.sealFinal(none);
      await expectRefusal('misuse', () => sealer.seal(patternBytes(1)));
      await expectRefusal('misuse', () => sealer.sealFinal(none));
      const opener = new ChunkOpener(aead);
      await opener.openFinal(last);
      await expectRefusal('misuse', () => opener.open(last));
      await expectRefusal('misuse', () => opener.openFinal(last));
    }
  });

  test('a chunk of no bytes before the final one, or of more than 65,536, is refused and costs no nonce', async () => {
    const sealer = new ChunkSealer(node.importAead(KEY));
    await expectRefusal('misuse', () => sealer.seal(none));
    await expectRefusal('misuse', () => sealer.seal(patternBytes(C + 1)));
    await expectRefusal('misuse', () => sealer.sealFinal(patternBytes(C + 1)));
    const opener = new ChunkOpener(node.importAead(KEY));
    expect(toHex(opener.open(sealer.seal(patternBytes(5))))).toBe(toHex(patternBytes(5)));
    expect(opener.openFinal(sealer.sealFinal(none))).toHaveLength(0);
  });

  test('ten seals at once take ten nonces, in the order of the calls', async () => {
    for (const suite of suites) {
      const aead = await suite.importAead(KEY);
      const sealer = new ChunkSealer(aead);
      const plaintexts = Array.from({ length: 10 }, (_, i) => patternBytes(i + 1));
      const ciphertexts = await Promise.all(plaintexts.map(async (plaintext) => sealer.seal(plaintext)));
      const opener = new ChunkOpener(aead);
      for (const [i, ciphertext] of ciphertexts.entries()) {
        expect(toHex(await opener.open(ciphertext)), suite.name).toBe(toHex(plaintexts[i] as Bytes));
      }
    }
  });

  test('an opener that failed does not open the right chunk on a second try', async () => {
    const sealer = new ChunkSealer(node.importAead(KEY));
    const [first, second] = [sealer.seal(patternBytes(1)), sealer.seal(patternBytes(2))];
    const opener = new ChunkOpener(node.importAead(KEY));
    await expectRefusal('unopenable', () => opener.open(second));
    await expectRefusal('unopenable', () => opener.open(first));
  });

  test('a reader that leaves early ends the stream it reads from', async () => {
    const chunks = await sealed(node, patternBytes(3000), 1000);
    let ended = false;
    async function* source(): AsyncGenerator<Bytes, void, undefined> {
      try {
        yield* chunks;
      } finally {
        ended = true;
      }
    }
    for await (const piece of openChunks(new ChunkOpener(node.importAead(KEY)), source())) {
      expect(piece).toHaveLength(1000);
      break;
    }
    expect(ended).toBe(true);
  });

  test('a source that fails passes its error on, and nothing counts as complete', async () => {
    const [first] = (await sealed(node, patternBytes(10), 10)) as [Bytes];
    async function* source(): AsyncGenerator<Bytes, void, undefined> {
      yield await Promise.resolve(first);
      throw new Error('socket hang up');
    }
    await expect(refusalOf(() => gather(openChunks(new ChunkOpener(node.importAead(KEY)), source())))).rejects.toThrow(
      'socket hang up',
    );
  });
});
