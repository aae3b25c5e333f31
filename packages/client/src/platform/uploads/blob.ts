// A sealed body as one Blob, for platforms that cannot send streams. A large one lies in a file.
import type { Bytes } from '@mte-relay/protocol';
import type { Gathered, Spool } from '../../outer/hop.ts';
import { openSpool } from '../spool.ts';

/** Sealed parts of this size become one Blob, so that a large body does not lie in the script's memory. */
const FOLD_BYTES = 1024 * 1024;
/** Sealed bodies beyond this size go to a file, if the browser has one, and leave the browser's memory too. */
const SPOOL_FROM_BYTES = 16 * 1024 * 1024;

/** @param sizeBytes size of the body before sealing, if known. */
export async function blobOf(
  source: AsyncIterable<Bytes>,
  sizeBytes: number | undefined,
  signal: AbortSignal,
  first: () => Promise<Bytes>,
): Promise<Gathered> {
  let folded: Blob[] = [];
  let parts: Bytes[] = [];
  let [partsBytes, totalBytes] = [0, 0];
  let spool: Spool | undefined;
  let maySpool = true;
  const release = (): void => void spool?.discard();
  const fold = async (): Promise<void> => {
    folded.push(new Blob(parts));
    [parts, partsBytes] = [[], 0];
    if (maySpool && totalBytes >= SPOOL_FROM_BYTES) {
      maySpool = false;
      spool = await openSpool(sizeBytes ?? totalBytes);
    }
    if (!spool) return;
    for (const part of folded) await spool.write(part);
    folded = [];
  };
  try {
    for await (const piece of source) {
      signal.throwIfAborted();
      parts.push(piece);
      partsBytes += piece.length;
      totalBytes += piece.length;
      if (partsBytes >= FOLD_BYTES) await fold();
    }
    await fold();
    const rest = spool ? [await spool.finish()] : folded;
    const payload = new Blob([await first(), ...rest]);
    return { payload, sizeBytes: payload.size, release };
  } catch (error) {
    release();
    throw error;
  }
}
