// A client that posts to the relay of its arguments (URL, pin) once for each line of its input: its size in bytes. It
// prints what fetch fails with, then waits for another line, then prints the outcome for the caller.
import { createInterface } from 'node:readline';
import { createRelayClient, type RelayClientError } from '@mte-relay/client';

const [url, pin] = process.argv.slice(2) as [string, string];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const PIECE_BYTES = 65_536;
const PIECE_TAKES_MS = 5;
let failures = 0;

/** A body that comes slowly, so that the receiver is not behind: the kernel ignores ICMP errors of a probe of a full window. */
class SlowBlob extends Blob {
  override stream(): ReturnType<Blob['stream']> {
    let at = 0;
    return new ReadableStream({
      pull: async (controller) => {
        await new Promise((resolve) => setTimeout(resolve, PIECE_TAKES_MS));
        const piece = await this.slice(at, at + PIECE_BYTES).arrayBuffer();
        at += piece.byteLength;
        if (piece.byteLength === 0) controller.close();
        else controller.enqueue(new Uint8Array(piece));
      },
    });
  }
}

const client = createRelayClient(url, {
  pins: [pin],
  fetch: async (...request) => {
    try {
      return await fetch(...request);
    } catch (error) {
      failures += 1;
      const { syscall, code } = (error as { cause: { syscall?: string; code?: string } }).cause;
      if (failures === 1) {
        console.log(`failed: ${syscall} ${code}.`);
        await lines.next();
      }
      throw error;
    }
  },
});

await client.pair();
console.log('paired.');
for (let calls = 1; ; calls += 1) {
  const { value: bytes, done } = await lines.next();
  if (done) break;
  failures = 0;
  const told = await client
    .fetch(`/post/${calls}`, { method: 'POST', body: new SlowBlob([new Uint8Array(Number(bytes))]) })
    .then(
      async (response) => `${response.status} ${response.headers.get('mte-relay-failure')} ${await response.text()}`,
      ({ code, mayHaveRun }: RelayClientError) => `${code} ${mayHaveRun}`,
    );
  console.log(`told ${calls}: ${told}.`);
}
client.close();
