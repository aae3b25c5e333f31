// The published test vectors, which lie beside the repository and are never part of it.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'vitest';

const FOLDER = resolve(import.meta.dirname, '../../../../../shared/vectors');
const present = existsSync(FOLDER);

export function vectorText(file: string): string {
  return readFileSync(resolve(FOLDER, file), 'utf8');
}

export function vectorJson<T>(file: string): T {
  return JSON.parse(vectorText(file)) as T;
}

/** A test that needs the published vectors; skipped, and saying so, where they are missing. */
export function vectorTest(name: string, body: () => void | Promise<void>, timeoutMs = 30_000): void {
  if (present) test(name, body, timeoutMs);
  else test(`${name} (no shared vectors)`, (context) => context.skip('no shared vectors'));
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
