// A sealed body as bytes, for runtimes that have neither streams nor Blobs made of bytes.
import { type Bytes, concatBytes } from '@mte-relay/protocol';
import { ignore } from '../../abort.ts';
import type { Gathered } from '../../outer/hop.ts';

export async function bytesOf(
  source: AsyncIterable<Bytes>,
  _sizeBytes: number | undefined,
  signal: AbortSignal,
  first: () => Promise<Bytes>,
): Promise<Gathered> {
  const parts: Bytes[] = [];
  for await (const piece of source) {
    signal.throwIfAborted();
    parts.push(piece);
  }
  const payload = concatBytes([await first(), ...parts]);
  return { payload, sizeBytes: payload.length, release: ignore };
}
