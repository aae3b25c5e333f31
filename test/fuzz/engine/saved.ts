// Cases that have failed once, one JSON file each in test/fuzz/saved. Each run begins with them.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bytes } from '@mte-relay/protocol';
import { fromHex } from './target.ts';

const FOLDER = join(import.meta.dirname, '../saved');

/** A case. */
export interface SavedCase {
  readonly target: string;
  readonly input: Bytes;
}

interface SavedFile {
  /** What failed. */
  readonly reason: string;
  readonly target: string;
  readonly hex: string;
}

/** All saved cases. */
export function savedCases(): SavedCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as SavedFile)
    .map(({ target, hex }) => ({ target, input: fromHex(hex) }));
}

/** Saves a case. @returns its path from the root. */
export function saveCase({ target, input }: SavedCase, reason: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const hex = Buffer.from(input).toString('hex');
  const name = `${target.replaceAll(/\W+/g, '-')}-${createHash('sha256').update(hex).digest('hex').slice(0, 8)}.json`;
  const content: SavedFile = { reason: reason.split('\n', 1)[0] as string, target, hex };
  writeFileSync(join(FOLDER, name), `${JSON.stringify(content, null, 2)}\n`);
  return `test/fuzz/saved/${name}`;
}
