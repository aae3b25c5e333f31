// One party of a classical Noise handshake (rev 34 §5.3): DH and PSK tokens over the engine under test.
import { x448 } from '@noble/curves/ed448.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { SymmetricState } from '../../src/noise.ts';
import type { Aead, Awaitable, NoisePrimitives } from '../../src/suite.ts';
import type { Bytes } from '../../src/wire.ts';
import { toHex } from './bytes.ts';
import { type Pattern, patternOf, type Token } from './noise-patterns.ts';
import { importCipher, type NoiseCipher, type NoiseHash, noisePrimitives } from './noise-primitives.ts';

export type CurveName = '25519' | '448';

const CURVES = { '25519': x25519, '448': x448 } as const;

export interface PartyKeys {
  readonly ephemeral?: Bytes | undefined;
  readonly static?: Bytes | undefined;
  readonly remoteStatic?: Bytes | undefined;
  readonly psks: readonly Bytes[];
}

export class NoiseParty {
  readonly pattern: Pattern;
  readonly #initiator: boolean;
  readonly #curve: CurveName;
  readonly #cipher: NoiseCipher;
  readonly #primitives: NoisePrimitives;
  readonly #state: SymmetricState;
  readonly #keys: PartyKeys;
  readonly #withPsk: boolean;
  readonly #psks: Bytes[];
  #remoteEphemeral: Bytes | undefined;
  #remoteStatic: Bytes | undefined;
  #turn = 0;
  #transport: { send: Transport; receive: Transport } | undefined;

  private constructor(protocolName: string, initiator: boolean, keys: PartyKeys, state: SymmetricState) {
    const parts = nameParts(protocolName);
    this.pattern = patternOf(parts.pattern);
    this.#initiator = initiator;
    this.#curve = parts.curve;
    this.#cipher = parts.cipher;
    this.#primitives = noisePrimitives(parts.hash, parts.cipher);
    this.#state = state;
    this.#keys = keys;
    this.#psks = [...keys.psks];
    this.#withPsk = this.#psks.length > 0;
    this.#remoteStatic = keys.remoteStatic;
  }

  static async begin(protocolName: string, initiator: boolean, prologue: Bytes, keys: PartyKeys): Promise<NoiseParty> {
    const { hash, cipher } = nameParts(protocolName);
    const state = await SymmetricState.initialize(noisePrimitives(hash, cipher), protocolName);
    const party = new NoiseParty(protocolName, initiator, keys, state);
    await state.mixHash(prologue);
    const own = (): Bytes => publicKeyOf(party.#curve, required(keys.static));
    const remote = (): Bytes => required(keys.remoteStatic);
    if (party.pattern.initiatorKnown) await state.mixHash(initiator ? own() : remote());
    if (party.pattern.responderKnown) await state.mixHash(initiator ? remote() : own());
    return party;
  }

  get handshakeHash(): Bytes {
    return this.#state.handshakeHash;
  }

  async write(payload: Bytes): Promise<Bytes> {
    if (this.#transport) return this.#transport.send.seal(payload);
    const parts: Bytes[] = [];
    for (const token of this.#nextTokens()) parts.push(await this.#writeToken(token));
    parts.push(await this.#state.encryptAndHash(payload));
    await this.#splitAfterLast();
    return new Uint8Array(Buffer.concat(parts));
  }

  async read(message: Bytes): Promise<Bytes> {
    if (this.#transport) return this.#transport.receive.open(message);
    let rest = message;
    const take = (length: number): Bytes => {
      const taken = rest.subarray(0, length);
      rest = rest.subarray(length);
      return taken;
    };
    for (const token of this.#nextTokens()) await this.#readToken(token, take);
    const payload = await this.#state.decryptAndHash(rest);
    await this.#splitAfterLast();
    return payload;
  }

  #nextTokens(): readonly Token[] {
    const tokens = this.pattern.messages[this.#turn];
    if (!tokens) throw new Error('the handshake is over');
    this.#turn += 1;
    return tokens;
  }

  async #writeToken(token: Token): Promise<Bytes> {
    if (token === 'e') {
      const publicKey = publicKeyOf(this.#curve, required(this.#keys.ephemeral));
      await this.#mixEphemeral(publicKey);
      return publicKey;
    }
    if (token === 's') return this.#state.encryptAndHash(publicKeyOf(this.#curve, required(this.#keys.static)));
    await this.#mixSecret(token);
    return new Uint8Array(0);
  }

  async #readToken(token: Token, take: (length: number) => Bytes): Promise<void> {
    const keyBytes = this.#curve === '25519' ? 32 : 56;
    if (token === 'e') {
      this.#remoteEphemeral = take(keyBytes);
      await this.#mixEphemeral(this.#remoteEphemeral);
    } else if (token === 's') {
      this.#remoteStatic = await this.#state.decryptAndHash(take(keyBytes + (this.#cipherKeySet() ? 16 : 0)));
    } else {
      await this.#mixSecret(token);
    }
  }

  /** True when a token before the present one has set a cipher key: from then on `s` is sealed (§5.2). */
  #cipherKeySet(): boolean {
    const before = this.pattern.messages.slice(0, this.#turn - 1).flat();
    const current = this.pattern.messages[this.#turn - 1] as readonly Token[];
    const passed = [...before, ...current.slice(0, current.indexOf('s'))];
    return passed.some((token) => token !== 's' && (token !== 'e' || this.#withPsk));
  }

  async #mixEphemeral(publicKey: Bytes): Promise<void> {
    await this.#state.mixHash(publicKey);
    if (this.#withPsk) await this.#state.mixKey(publicKey); // §9.2
  }

  async #mixSecret(token: Exclude<Token, 'e' | 's'>): Promise<void> {
    if (token === 'psk') {
      await this.#state.mixKeyAndHash(required(this.#psks.shift()));
      return;
    }
    const [first, second] = token; // the initiator's key, then the responder's
    const ownLetter = this.#initiator ? first : second;
    const remoteLetter = this.#initiator ? second : first;
    const own = required(ownLetter === 'e' ? this.#keys.ephemeral : this.#keys.static);
    const remote = required(remoteLetter === 'e' ? this.#remoteEphemeral : this.#remoteStatic);
    await this.#state.mixKey(new Uint8Array(diffieHellman(this.#curve, own, remote)));
  }

  async #splitAfterLast(): Promise<void> {
    if (this.#turn < this.pattern.messages.length) return;
    const [first, second] = await this.#state.split();
    const transport = (key: Bytes): Transport => new Transport(importCipher(this.#cipher, key), this.#primitives);
    const [fromInitiator, fromResponder] = [transport(first), transport(second)];
    this.#transport = this.#initiator
      ? { send: fromInitiator, receive: fromResponder }
      : { send: fromResponder, receive: fromInitiator };
  }
}

/** A CipherState after Split (§5.1): the messages behind the handshake, one direction. */
export class Transport {
  readonly #aead: Aead;
  readonly #primitives: NoisePrimitives;
  #counter = 0;

  constructor(aead: Aead, primitives: NoisePrimitives) {
    this.#aead = aead;
    this.#primitives = primitives;
  }

  seal(payload: Bytes): Awaitable<Bytes> {
    return this.#aead.seal(this.#nextNonce(), new Uint8Array(0), payload);
  }

  open(message: Bytes): Awaitable<Bytes> {
    return this.#aead.open(this.#nextNonce(), new Uint8Array(0), message);
  }

  #nextNonce(): Bytes {
    const nonce = this.#primitives.aeadNonce(this.#counter);
    this.#counter += 1;
    return nonce;
  }
}

interface NameParts {
  readonly pattern: string;
  readonly curve: CurveName;
  readonly cipher: NoiseCipher;
  readonly hash: NoiseHash;
}

function nameParts(protocolName: string): NameParts {
  const [, pattern, curve, cipher, hash] = protocolName.split('_');
  return { pattern, curve, cipher, hash } as NameParts;
}

// The vectors use the same few keys over and over, and X448 in JavaScript is slow.
const computed = new Map<string, Bytes>();

function once(key: string, compute: () => Uint8Array): Bytes {
  const known = computed.get(key) ?? new Uint8Array(compute());
  computed.set(key, known);
  return known;
}

function publicKeyOf(curve: CurveName, secret: Bytes): Bytes {
  return once(`${curve} ${toHex(secret)}`, () => CURVES[curve].getPublicKey(secret));
}

function diffieHellman(curve: CurveName, secret: Bytes, remote: Bytes): Bytes {
  return once(`${curve} ${toHex(secret)} ${toHex(remote)}`, () => CURVES[curve].getSharedSecret(secret, remote));
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the pattern needs a key that the vector does not give');
  return value;
}
