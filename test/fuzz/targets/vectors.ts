// The vectors of conformance/ as the first inputs of the targets.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bytes } from '@mte-relay/protocol';
import type { Vectors } from '../../../conformance/run/vectors.ts';
import { fromHex } from '../engine/target.ts';

/** One file of vectors. */
export function vectors<Name extends keyof Vectors>(name: Name): Vectors[Name] {
  const path = join(import.meta.dirname, '../../../conformance/vectors', `${name}.json`);
  return JSON.parse(readFileSync(path, 'utf8')) as Vectors[Name];
}

/** Hex as bytes, without those that are longer than so many. */
export function shortOnes(hexes: readonly unknown[], maxBytes: number): Bytes[] {
  return hexes
    .filter((hex): hex is string => typeof hex === 'string' && hex.length <= 2 * maxBytes)
    .map((hex) => fromHex(hex));
}
