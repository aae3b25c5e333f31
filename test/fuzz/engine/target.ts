// What a target of the fuzzer is: a parser of untrusted bytes, and the properties that hold for every input.
import type { Bytes } from '@mte-relay/protocol';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';

/** One parser. */
export interface Target {
  readonly name: string;
  /** Inputs to mutate, valid or nearly so; at least one. */
  readonly corpus: readonly Bytes[];
  /** Pieces that mutations insert. Default: none. */
  readonly dictionary?: readonly Bytes[];
  /** Longest input; default 4,096 bytes. */
  readonly maxBytes?: number;
  /** What a case may allocate beside 4 KiB per byte; default 8 MiB. More for a twin that computes key encapsulation. */
  readonly memoryMaxBytes?: number;
  /**
   * Gives one input to the parser.
   * @param choices depend on the input alone, so that an input that fails does so again.
   * @returns what came of it. An input with a new outcome is kept and mutated further, so there must be few of them.
   * @throws any error if a property does not hold.
   */
  check(input: Bytes, choices: SeededRandom): string | Promise<string>;
}

/** Thrown for a property that does not hold. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** @throws Broken unless the condition holds. */
export function holds(condition: boolean, property: string): asserts condition {
  if (!condition) throw new Broken(property);
}

/** @throws Broken unless both are equal in depth. Bytes are equal in any class, and undefined is as good as missing. */
export function same(actual: unknown, expected: unknown, property: string): void {
  if (isEqual(actual, expected)) return;
  throw new Broken(`${property}: ${textOf(actual).slice(0, 300)} is not ${textOf(expected).slice(0, 300)}`);
}

function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (one instanceof Uint8Array) return other instanceof Uint8Array && Buffer.compare(one, other) === 0;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((part, at) => isEqual(part, other[at]));
  }
  const [mine, theirs] = [one as Record<string, unknown>, other as Record<string, unknown>];
  for (const name of Object.keys(mine)) if (!isEqual(mine[name], theirs[name])) return false;
  for (const name of Object.keys(theirs)) if (theirs[name] !== undefined && !(name in mine)) return false;
  return true;
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_, part: unknown) => {
      const bytes = part as { type?: unknown; data?: number[] } | null;
      if (part instanceof Uint8Array) return Buffer.from(part).toString('hex');
      return bytes?.type === 'Buffer' ? Buffer.from(bytes.data ?? []).toString('hex') : part;
    }) ?? 'undefined'
  );
}

/** What a parser made of an input: a value, or the code of its refusal. */
export type Result<T> = { readonly value: T; readonly code?: undefined } | { readonly code: string };

/** Codes of ProtocolError that bytes of a peer may cause. `misuse` would blame the caller. */
const REFUSALS: ReadonlySet<string> = new Set([
  'malformed',
  'truncated',
  'unopenable',
  'too-large',
  'version-unsupported',
  'suite-unsupported',
  'key-unknown',
]);

/** Runs a parser of the protocol. @throws Broken for any error other than a refusal. */
export function parsed<T>(parse: () => T): Result<T> {
  try {
    return { value: parse() };
  } catch (error) {
    return { code: refusalIn(error) };
  }
}

/** The same of a parser that responds later. */
export async function parsedLater<T>(parse: () => Promise<T>): Promise<Result<T>> {
  try {
    return { value: await parse() };
  } catch (error) {
    return { code: refusalIn(error) };
  }
}

function refusalIn(error: unknown): string {
  const { name, code, failure } = error as { name?: string; code?: string; failure?: string };
  if (name === 'ProtocolError' && code !== undefined && REFUSALS.has(code)) return code;
  if (failure !== undefined) return failure; // the twin's
  throw new Broken(`threw ${error}`, { cause: error });
}

/** The outcome of a result, for {@link Target.check}. */
export function outcomeOf(result: Result<unknown>): string {
  return result.code ?? 'accepted';
}

/** One character per byte, in both directions. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function bytesOf(text: string): Bytes {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export function fromHex(hex: string): Bytes {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function texts(...lines: readonly string[]): Bytes[] {
  return lines.map(bytesOf);
}

/** Cuts an input at places of its own choice; often few, sometimes every byte. */
export function cut(input: Bytes, choices: SeededRandom): Bytes[] {
  const longest = choices.pick([1, 2, 7, 60, 1500]);
  const pieces: Bytes[] = [];
  for (let at = 0; at < input.length; ) {
    const end = at + 1 + choices.below(longest);
    pieces.push(input.subarray(at, end));
    at = end;
  }
  return pieces;
}
