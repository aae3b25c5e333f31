// Our chunk framing and Binary HTTP against Chunked OHTTP draft-08, Appendix A. The key schedule is another one, so the
// AEAD is the draft's: HPKE by @hpke/core for the request, AES-128-GCM under the published key for the response.
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { gcm } from '@noble/ciphers/aes.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { decodeWhole, encodeRequest, encodeResponse, type RequestHead, type ResponseHead } from '../src/bhttp.ts';
import { ChunkOpener, ChunkSealer, ChunkSplitter, chunkPrefix, FINAL_CHUNK_PREFIX, openChunks } from '../src/chunks.ts';
import type { Aead } from '../src/suite.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { fromHex, gather, piecesOf, toHex } from './support/bytes.ts';
import { vectorJson } from './support/vectors.ts';

interface Chunk {
  readonly plaintext: string;
  readonly ciphertext: string;
  readonly final?: boolean;
}

interface ChunkedVector {
  readonly skR: string;
  readonly skE: string;
  readonly enc: string;
  readonly info: string;
  readonly request: string;
  readonly requestChunks: readonly Chunk[];
  readonly encapsulatedRequest: string;
  readonly response: string;
  readonly responseNonce: string;
  readonly aeadKey: string;
  readonly aeadNonce: string;
  readonly responseChunks: readonly Chunk[];
  readonly encapsulatedResponse: string;
}

const vector = (): ChunkedVector =>
  vectorJson<{ vectors: ChunkedVector[] }>('ohttp-ts/chunked-ohttp-08.json').vectors[0] as ChunkedVector;

// key id 1, KEM id 2, KDF id 2, AEAD id 2, encapsulated key 32
const REQUEST_HEADER_BYTES = 7 + 32;

/** HPKE counts by itself; that its count and ours agree is part of what is checked. */
async function hpkeAead({ skR, skE, enc, info: infoHex }: ChunkedVector): Promise<Aead> {
  const info = fromHex(infoHex);
  const hpke = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm() });
  const privateKey = async (hex: string): Promise<CryptoKey> => hpke.kem.deserializePrivateKey(fromHex(hex).buffer);
  const recipientKey = await privateKey(skR);
  const publicKeyOf = async (hex: string): Promise<CryptoKey> =>
    hpke.kem.deserializePublicKey(new Uint8Array(x25519.getPublicKey(fromHex(hex))).buffer);
  const sender = await hpke.createSenderContext({
    recipientPublicKey: await publicKeyOf(skR),
    info,
    ekm: { privateKey: await privateKey(skE), publicKey: await publicKeyOf(skE) },
  });
  expect(toHex(new Uint8Array(sender.enc))).toBe(enc);
  const recipient = await hpke.createRecipientContext({ recipientKey, enc: fromHex(enc), info });
  const counts = { sealed: 0, opened: 0 };
  const expectCount = (nonce: Bytes, count: number): void => {
    expect(toHex(nonce)).toBe(count.toString(16).padStart(24, '0'));
  };
  return {
    async seal(nonce, associatedData, plaintext) {
      expectCount(nonce, counts.sealed);
      counts.sealed += 1;
      return new Uint8Array(await sender.seal(plaintext, associatedData));
    },
    async open(nonce, associatedData, ciphertext) {
      expectCount(nonce, counts.opened);
      counts.opened += 1;
      return new Uint8Array(await recipient.open(ciphertext, associatedData));
    },
  };
}

/** AES-128-GCM with the chunk counter XORed onto the published base nonce. */
function responseAead({ aeadKey, aeadNonce }: ChunkedVector): Aead {
  const [key, base] = [fromHex(aeadKey), fromHex(aeadNonce)];
  const cipher = (counter: Bytes, associatedData: Bytes): ReturnType<typeof gcm> =>
    gcm(
      key,
      counter.map((byte, i) => byte ^ (base[i] as number)),
      associatedData,
    );
  return {
    seal: (counter, associatedData, plaintext) => cipher(counter, associatedData).encrypt(plaintext),
    open: (counter, associatedData, ciphertext) => cipher(counter, associatedData).decrypt(ciphertext),
  };
}

async function sealAll(aead: Aead, chunks: readonly Chunk[]): Promise<string[]> {
  const sealer = new ChunkSealer(aead);
  const sealed: string[] = [];
  for (const { plaintext, final } of chunks) {
    if (final) {
      sealed.push(toHex(concatBytes([FINAL_CHUNK_PREFIX, await sealer.sealFinal(fromHex(plaintext))])));
    } else {
      const ciphertext = await sealer.seal(fromHex(plaintext));
      sealed.push(toHex(concatBytes([chunkPrefix(ciphertext.length), ciphertext])));
    }
  }
  return sealed;
}

describe('Chunked OHTTP draft-08, Appendix A', () => {
  test('the request’s chunks seal to the published bytes', async () => {
    const published = vector();
    const sealed = await sealAll(await hpkeAead(published), published.requestChunks);
    expect(sealed).toEqual(published.requestChunks.map((chunk) => chunk.ciphertext));
    const whole = published.encapsulatedRequest.slice(2 * REQUEST_HEADER_BYTES);
    expect(sealed.join('')).toBe(whole);
  });

  test('the response’s chunks seal to the published bytes', async () => {
    const published = vector();
    const sealed = await sealAll(responseAead(published), published.responseChunks);
    expect(sealed).toEqual(published.responseChunks.map((chunk) => chunk.ciphertext));
    expect(published.responseNonce + sealed.join('')).toBe(published.encapsulatedResponse);
  });

  test('the published request opens in pieces of any size, and is Binary HTTP', async () => {
    const published = vector();
    const body = fromHex(published.encapsulatedRequest).subarray(REQUEST_HEADER_BYTES);
    for (const pieceBytes of [1, 7, 28, 29, body.length]) {
      const opener = new ChunkOpener(await hpkeAead(published));
      expect(toHex(await gather(openChunks(opener, piecesOf(body, pieceBytes))))).toBe(published.request);
    }
    const { head } = decodeWhole<RequestHead>('request', fromHex(published.request));
    expect(head).toEqual({ method: 'GET', scheme: 'https', authority: 'example.com', path: '/', headers: [] });
  });

  test('the published response opens in pieces of any size, and is Binary HTTP', async () => {
    const published = vector();
    const body = fromHex(published.encapsulatedResponse).subarray(16);
    for (const pieceBytes of [1, 7, 17, 18, body.length]) {
      const opener = new ChunkOpener(responseAead(published));
      expect(toHex(await gather(openChunks(opener, piecesOf(body, pieceBytes))))).toBe(published.response);
    }
    expect(decodeWhole<ResponseHead>('response', fromHex(published.response)).head).toEqual({
      status: 200,
      headers: [],
    });
  });

  test('the splitter cuts the published bytes where the draft does', () => {
    const published = vector();
    const splitter = new ChunkSplitter();
    splitter.push(fromHex(published.encapsulatedRequest).subarray(REQUEST_HEADER_BYTES));
    const cut: string[] = [];
    for (let chunk = splitter.next(); chunk; chunk = splitter.next()) cut.push(toHex(chunk));
    cut.push(toHex(splitter.end()));
    // Behind the one length byte of each.
    expect(cut).toEqual(published.requestChunks.map((chunk) => chunk.ciphertext.slice(2)));
  });
});

describe('RFC 9458, Appendix A', () => {
  test('the Binary HTTP of request and response decodes and encodes', () => {
    const file = vectorJson<{ vectors: Array<{ request: string; response: string }> }>('ohttp-ts/rfc9458.json');
    expect(file.vectors).toHaveLength(1);
    for (const { request, response } of file.vectors) {
      const { head } = decodeWhole<RequestHead>('request', fromHex(request));
      expect(head).toEqual({ method: 'GET', scheme: 'https', authority: 'example.com', path: '/', headers: [] });
      // The RFC leaves out the sections that are empty; we write them.
      expect(toHex(encodeRequest(head, new Uint8Array(0)))).toBe(`${request}000000`);
      const responseHead = decodeWhole<ResponseHead>('response', fromHex(response)).head;
      expect(responseHead).toEqual({ status: 200, headers: [] });
      expect(toHex(encodeResponse(responseHead, new Uint8Array(0)))).toBe(`${response}000000`);
    }
  });
});
