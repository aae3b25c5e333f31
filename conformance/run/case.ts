// A conformance case, and the little that one needs to report what it saw. Runs in every runtime: no test framework,
// no Buffer, nothing but the language.
import { type Bytes, ProtocolError } from '@mte-relay/protocol';
import { unhex as digitsToBytes, hex } from '../twin/bytes.ts';

export interface Case {
  /** Unique within its list. */
  readonly name: string;
  /** Throws, or rejects, unless the case holds. */
  run(): unknown;
}

/** Runs the cases one behind the other; `report` receives each as it ends, with the text of its failure. */
export async function runCases(
  cases: readonly Case[],
  report: (result: { name: string; error?: string }) => void,
): Promise<void> {
  for (const { name, run } of cases) {
    try {
      await run();
      report({ name });
    } catch (error) {
      report({ name, error: describe(error) });
    }
  }
}

function describe(error: unknown): string {
  const { name, message, code, cause } = error as { name?: string; message?: string; code?: string; cause?: unknown };
  const text = `${name ?? typeof error}${code ? ` ${code}` : ''}: ${message ?? String(error)}`;
  return cause === undefined ? text : `${text}\n  because ${describe(cause)}`;
}

/** Throws unless both are the same in depth. */
export function expectSame(seen: unknown, expected: unknown, what = 'value'): void {
  const path = difference(seen, expected, what);
  if (path) throw new Error(path);
}

function difference(seen: unknown, expected: unknown, path: string): string | undefined {
  if (Object.is(seen, expected)) return undefined;
  const unequal = `${path}: expected ${shown(expected)}, saw ${shown(seen)}`;
  if (typeof seen !== 'object' || typeof expected !== 'object' || !seen || !expected) return unequal;
  if (Array.isArray(seen) !== Array.isArray(expected)) return unequal;
  const [left, right] = [seen, expected] as [Record<string, unknown>, Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = difference(left[key], right[key], `${path}.${key}`);
    if (found) return found;
  }
  return undefined;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
}

/** The ProtocolError code that this work ends with, or "accepted". Any other error is thrown on. */
export async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

/** The bytes of hex digits, as the protocol wants them. */
export function unhex(digits: string): Bytes {
  return new Uint8Array(digitsToBytes(digits));
}

/** UTF-8 without TextEncoder and TextDecoder, which not every engine has. */
export function utf8(text: string): Bytes {
  const percent = encodeURIComponent(text).replace(/[^%]|%(..)/g, (character, digits?: string) => {
    return digits ?? character.charCodeAt(0).toString(16);
  });
  return unhex(percent);
}

export function textOfUtf8(bytes: Bytes): string {
  return decodeURIComponent(hex(bytes).replace(/../g, '%$&'));
}

/** Ways to cut bytes into pieces: whole, one by one, and by a size that falls on no boundary. */
export const CUTS = [Number.MAX_SAFE_INTEGER, 1, 7];

export function* cut(bytes: Bytes, size: number): Generator<Bytes> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
