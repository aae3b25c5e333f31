// Random changes to a valid message, of the kinds that an attacker or a broken middlebox makes.
import type { Bytes } from '../../src/wire.ts';
import type { SeededRandom } from './bytes.ts';

type Mutation = (random: SeededRandom, message: Bytes, others: readonly Bytes[], dictionary: readonly Bytes[]) => Bytes;

/** Edges of varints, lengths, safe integers, ASCII and the protocol's own limits. */
const INTERESTING: readonly number[] = [
  0,
  1,
  2,
  15,
  16,
  17,
  31,
  32,
  41,
  42,
  63,
  64,
  100,
  125,
  126,
  127,
  128,
  199,
  200,
  255,
  256,
  257,
  511,
  512,
  599,
  600,
  1023,
  1024,
  1025,
  16_383,
  16_384,
  32_767,
  32_768,
  65_535,
  65_536,
  65_537,
  65_552,
  65_553,
  1_048_576,
  2 ** 30 - 1,
  2 ** 30,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
];

/** An integer in a fixed size or as a varint, sometimes longer than it need be, sometimes above 2^53 - 1. */
function integer(random: SeededRandom): Uint8Array {
  const value = random.below(16) === 0 ? 2n ** 62n - 1n : BigInt(random.pick(INTERESTING));
  const size = random.pick([1, 2, 4, 8]);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  const written = bytes.subarray(8 - size);
  if (random.below(2) === 0) written[0] = ((written[0] as number) & 0x3f) | (Math.log2(size) << 6);
  return written;
}

const joined = (...parts: readonly Uint8Array[]): Bytes => new Uint8Array(Buffer.concat(parts));

/** A random slice of a message: often short, at times anything. */
function sliceOf(random: SeededRandom, message: Bytes): [start: number, end: number] {
  const start = random.below(message.length + 1);
  const longest = message.length - start;
  return [start, start + random.below(Math.min(longest, random.pick([1, 4, 40, 2000])) + 1)];
}

/** An offset; as often as not in the first bytes, where the structure is. */
function offsetOf(random: SeededRandom, message: Bytes): number {
  return random.below(random.below(2) === 0 ? Math.min(message.length, 64) : message.length);
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip(random, message) {
    const changed = new Uint8Array(message);
    for (let i = 0; i <= random.below(4) && changed.length > 0; i += 1) {
      const at = offsetOf(random, changed);
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    }
    return changed;
  },
  overwrite(random, message) {
    const changed = new Uint8Array(message);
    const [start, end] = sliceOf(random, message);
    changed.set(
      random.below(2) === 0 ? random.bytes(end - start) : new Uint8Array(end - start).fill(random.pick([0, 255])),
      start,
    );
    return changed;
  },
  truncate: (random, message) => message.subarray(0, random.below(message.length + 1)),
  behead: (random, message) => message.subarray(random.below(Math.min(message.length, 64) + 1)),
  append: (random, message) => joined(message, random.bytes(1 + random.below(40))),
  insert(random, message) {
    const at = offsetOf(random, message);
    return joined(message.subarray(0, at), random.bytes(1 + random.below(20)), message.subarray(at));
  },
  remove(random, message) {
    const [start, end] = sliceOf(random, message);
    return joined(message.subarray(0, start), message.subarray(end));
  },
  duplicate(random, message) {
    const [start, end] = sliceOf(random, message);
    return joined(message.subarray(0, end), message.subarray(start));
  },
  move(random, message) {
    const [start, end] = sliceOf(random, message);
    const rest = joined(message.subarray(0, start), message.subarray(end));
    const at = random.below(rest.length + 1);
    return joined(rest.subarray(0, at), message.subarray(start, end), rest.subarray(at));
  },
  'interesting integer': (random, message) => {
    const at = offsetOf(random, message);
    const written = integer(random);
    return joined(
      message.subarray(0, at),
      written,
      message.subarray(at + (random.below(2) === 0 ? written.length : 0)),
    );
  },
  'word of the dictionary': (random, message, _others, dictionary) => {
    if (dictionary.length === 0) return message;
    const at = random.below(message.length + 1);
    const end = random.below(2) === 0 ? at : Math.min(message.length, at + random.below(12));
    return joined(message.subarray(0, at), random.pick(dictionary), message.subarray(end));
  },
  'splice with another': (random, message, others) => {
    const other = random.pick(others);
    const at = random.below(Math.min(message.length, other.length) + 1);
    return joined(message.subarray(0, at), other.subarray(random.below(4) === 0 ? random.below(other.length) : at));
  },
  'patch from another': (random, message, others) => {
    const changed = new Uint8Array(message);
    const other = random.pick(others);
    const [start, end] = sliceOf(random, other);
    const patch = other.subarray(start, end);
    changed.set(patch.subarray(0, Math.max(0, changed.length - start)), Math.min(start, changed.length));
    return changed;
  },
  'swap with another': (random, _message, others) => random.pick(others),
};

const NAMES = Object.keys(MUTATIONS);

/** One to three mutations, one upon the other. @param dictionary words to insert; default: none. */
export function mutated(
  random: SeededRandom,
  original: Bytes,
  others: readonly Bytes[],
  dictionary: readonly Bytes[] = [],
): { message: Bytes; how: string } {
  let message = original;
  const how: string[] = [];
  for (let i = 0; i <= random.below(3); i += 1) {
    const name = random.pick(NAMES);
    message = (MUTATIONS[name] as Mutation)(random, message, others, dictionary);
    how.push(name);
  }
  return { message: new Uint8Array(message), how: how.join(', ') };
}
