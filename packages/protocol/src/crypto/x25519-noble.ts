// X25519 (RFC 7748 §5) in JavaScript, by noble's Montgomery ladder: for the pure provider, and for browsers whose WebCrypto
// lacks it.
import { pow } from '@noble/curves/abstract/modular.js';
import { montgomery } from '@noble/curves/abstract/montgomery.js';
import type { X25519 } from './xwing-composed.ts';

const FIELD_PRIME = 2n ** 255n - 19n;

const ladder: ReturnType<typeof montgomery> = montgomery({
  P: FIELD_PRIME,
  type: 'x25519',
  adjustScalarBytes(scalar: Uint8Array) {
    scalar[0] = (scalar[0] as number) & 248;
    scalar[31] = ((scalar[31] as number) & 127) | 64;
    return scalar;
  },
  powPminus2: (x) => pow(x, FIELD_PRIME - 2n, FIELD_PRIME), // 1/x, by Fermat
});

/** Throws for points of low order. */
export const x25519Noble: X25519 = (scalar, point) => ladder.scalarMult(scalar, point);
