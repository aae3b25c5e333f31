// The published test vectors in test/vectors, whose README.md names their sources.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

/** Its files are named relative to it, as in the table of its README.md. */
export const VECTOR_FOLDER = resolve(import.meta.dirname, '../vectors');

export function vectorText(file: string): string {
  const bytes = readFileSync(resolve(VECTOR_FOLDER, file));
  return (file.endsWith('.br') ? brotliDecompressSync(bytes) : bytes).toString('utf8');
}

export function vectorJson<T>(file: string): T {
  return JSON.parse(vectorText(file)) as T;
}

/** A Wycheproof file: groups of tests with a verdict each. */
export interface Wycheproof<Test, Group = object> {
  readonly testGroups: ReadonlyArray<Group & { readonly tests: ReadonlyArray<Test & WycheproofTest> }>;
}

export interface WycheproofTest {
  readonly tcId: number;
  readonly comment?: string;
  readonly flags?: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
