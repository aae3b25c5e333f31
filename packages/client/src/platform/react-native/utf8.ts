// UTF-8 without TextDecoder, which some versions of React Native lack.

const REPLACEMENT = '\uFFFD';

/** Decodes UTF-8. Invalid sequences become U+FFFD, and a leading byte order mark is dropped (Encoding §4.1). */
export function textOf(bytes: Uint8Array): string {
  let text = '';
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < bytes.length) {
    const first = bytes[at] as number;
    at += 1;
    const more = bytesBehind(first);
    let point = more === 0 ? first : first & (0x3f >> (more ?? 0));
    let taken = 0;
    for (; taken < (more ?? 0) && isNext(bytes[at], first, taken); taken += 1, at += 1) {
      point = (point << 6) | ((bytes[at] as number) & 0x3f);
    }
    text += taken === more ? String.fromCodePoint(point) : REPLACEMENT;
  }
  return text;
}

/** Number of bytes that follow this first byte of a character; undefined for an invalid first byte. */
function bytesBehind(first: number): 0 | 1 | 2 | 3 | undefined {
  if (first < 0x80) return 0;
  if (first < 0xc2 || first > 0xf4) return undefined;
  if (first < 0xe0) return 1;
  return first < 0xf0 ? 2 : 3;
}

/** True for a valid continuation byte. The second byte must not make an overlong form, a surrogate, or exceed U+10FFFF. */
function isNext(byte: number | undefined, first: number, index: number): boolean {
  if (byte === undefined || byte >> 6 !== 2) return false;
  if (index > 0) return true;
  if (first === 0xe0) return byte >= 0xa0;
  if (first === 0xed) return byte <= 0x9f;
  if (first === 0xf0) return byte >= 0x90;
  return first !== 0xf4 || byte <= 0x8f;
}
