// SPEC §3.1: the relay's identity. SPEC §3.5: the client id that a relay makes.
import { type Bytes, hex, join, text, uint } from './bytes.ts';
import { expand, extract, hash, mac } from './primitives.ts';
import { require } from './refused.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The default identity seed of a relay whose CLIENT_ID_SECRET is this text. */
export function identitySeed(clientIdSecret: string): Bytes {
  return expand(extract(new TextEncoder().encode(clientIdSecret)), text('mte-relay/1 identity'));
}

export function keyId(publicKey: Bytes): Bytes {
  return hash(publicKey).subarray(0, 8);
}

export function pin(publicKey: Bytes): string {
  return `sha256-${base64(hash(publicKey))}`;
}

/** id 16 ‖ expiry 8 ‖ HMAC 32 */
export function clientId(clientIdSecret: string, id: Bytes, expiryUnixMs: number): Bytes {
  const key = expand(extract(new TextEncoder().encode(clientIdSecret)), text('mte-relay/1 client-id'));
  const signed = join(id, uint(8, expiryUnixMs));
  return join(signed, mac(key, signed));
}

/** RFC 4648 §4, with padding. */
function base64(bytes: Bytes): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const three = bytes.subarray(at, at + 3);
    const bits = Number.parseInt(hex(join(three, new Uint8Array(3 - three.length))), 16);
    const four = [18, 12, 6, 0].map((shift) => ALPHABET[(bits >> shift) & 63]).join('');
    out += four.slice(0, three.length + 1).padEnd(4, '=');
  }
  return out;
}

/** RFC 4648 §5, without padding. */
export function base64url(bytes: Bytes): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The reverse of base64url. */
export function fromBase64url(characters: string): Bytes {
  require(/^[A-Za-z0-9_-]*$/.test(characters), 'malformed');
  const standard = characters.replaceAll('-', '+').replaceAll('_', '/');
  const bits = [...standard].map((character) => ALPHABET.indexOf(character).toString(2).padStart(6, '0')).join('');
  const bytes = bits.match(/.{8}/g) ?? [];
  return Uint8Array.from(bytes, (eight) => Number.parseInt(eight, 2));
}
