// Makes an input that fails as short and plain as it can be while it still fails.
import type { Bytes } from '@mte-relay/protocol';
import { checkCase } from './campaign.ts';
import type { Target } from './target.ts';

const ATTEMPTS_MAX = 3000;
const TIME_MAX_MS = 10_000;

/** A shorter input that still fails; otherwise the input itself. */
export async function minimise(target: Target, input: Bytes): Promise<Bytes> {
  const untilMs = performance.now() + TIME_MAX_MS;
  let smallest = input;
  let attempts = 0;
  const stillFails = async (shorter: Bytes): Promise<boolean> => {
    attempts += 1;
    if (attempts > ATTEMPTS_MAX || performance.now() > untilMs) return false;
    if ((await checkCase(target, shorter)) === undefined) return false;
    smallest = shorter;
    return true;
  };
  for (let size = smallest.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < smallest.length; ) {
      const rest = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if (!(await stillFails(new Uint8Array(rest)))) at += size;
    }
  }
  for (let at = 0; at < smallest.length; at += 1) {
    const plain = new Uint8Array(smallest);
    plain[at] = 0x61;
    if (smallest[at] !== 0x61) await stillFails(plain);
  }
  return smallest;
}
