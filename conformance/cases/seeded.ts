// Fixed bytes that look random, so that no vector hides a mistake behind a run of zeros.
import { type Bytes, join, text, uint } from '../twin/bytes.ts';
import { hash } from '../twin/primitives.ts';

/** SHA-256(label ‖ 0) ‖ SHA-256(label ‖ 1) ‖ …, cut to length. */
export function seeded(label: string, length: number): Bytes {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) => hash(join(text(label), uint(4, i))));
  return join(...blocks).slice(0, length);
}
