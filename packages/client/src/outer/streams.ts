// Reads a response or a stream piece by piece.
import type { Bytes } from '@mte-relay/protocol';
import { ignore } from '../abort.ts';

/** The content of a response; in one piece where the platform lacks streams. */
export async function* contentOf(response: Response): AsyncGenerator<Bytes, void, undefined> {
  if (response.body) yield* piecesOf(response.body);
  else yield new Uint8Array(await response.arrayBuffer());
}

/** A stream's pieces. Leaving early cancels the stream. Some browsers' streams are not async iterable. */
export async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Bytes, void, undefined> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      // Not instanceof: in jsdom the global Uint8Array differs from that of the platform's fetch.
      if (value?.[Symbol.toStringTag] !== 'Uint8Array') throw new TypeError('a stream gives Uint8Arrays');
      yield value as Bytes;
    }
    ended = true;
  } finally {
    if (!ended) reader.cancel().catch(ignore);
  }
}
