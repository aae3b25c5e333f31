// A sealed body as a stream that is sent as it is sealed.
import type { Bytes } from '@mte-relay/protocol';
import { ignore } from '../../abort.ts';

/** @param signal also ends the source. */
export function streamOf(source: AsyncGenerator<Bytes, void, undefined>, signal: AbortSignal): ReadableStream<Bytes> {
  // Some platforms' fetch does not cancel the body of a request that is aborted or gets an early response.
  signal.addEventListener('abort', () => void source.return().catch(ignore), { once: true });
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Bytes as a stream. */
export function streamOfBytes(bytes: Bytes): ReadableStream<Bytes> {
  return new ReadableStream(
    {
      pull(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
