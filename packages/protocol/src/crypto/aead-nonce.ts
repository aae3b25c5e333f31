// Noise's AESGCM nonce: 32 zero bits, then the 64-bit counter big-endian (Noise rev 34 §12.3). It is also the
// 12-byte big-endian chunk counter of SPEC §5.3, for every counter below 2^64.
import { AEAD_NONCE_BYTES } from '../constants.ts';
import { ProtocolError } from '../errors.ts';
import { type Bytes, writeUint } from '../wire.ts';

/** @param counter integer from 0 to 2^53 − 1. */
export function counterNonce(counter: number): Bytes {
  const nonce = new Uint8Array(AEAD_NONCE_BYTES);
  writeUint(nonce, 4, 8, counter);
  return nonce;
}

/** Returns the nonces 0, 1, 2, … of one key, up to the final one. */
export class NonceCounter {
  readonly #max: number;
  readonly #exhausted: string;
  #next = 0;
  #final = false;

  /** @param exhausted message of the error beyond `max`. */
  constructor(max: number, exhausted: string) {
    this.#max = max;
    this.#exhausted = exhausted;
  }

  /** Number of remaining nonces. */
  get left(): number {
    return this.#max - this.#next;
  }

  /** Throws `misuse` after the final one, `too-large` after the last. */
  take(final = false): Bytes {
    if (this.#final) throw new ProtocolError('misuse', 'the final chunk has been processed');
    if (this.#next >= this.#max) throw new ProtocolError('too-large', this.#exhausted);
    this.#final = final;
    const nonce = counterNonce(this.#next);
    this.#next += 1;
    return nonce;
  }
}
