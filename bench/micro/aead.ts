// AES-256-GCM of each provider, small message and full chunk.
import { CHUNK_PLAINTEXT_MAX_BYTES } from '@mte-relay/protocol';
import { group, summary } from 'mitata';
import { random, suites } from './fixtures.ts';
import { benchBytes } from './throughput.ts';

const NONCE_COUNTER = 1;
const ASSOCIATED_DATA = new Uint8Array(0);

for (const bytes of [1024, CHUNK_PLAINTEXT_MAX_BYTES]) {
  const key = random(32);
  const plaintext = random(bytes);
  for (const work of ['seal', 'open'] as const) {
    await groupOfSuites(work, bytes, key, plaintext);
  }
}

async function groupOfSuites(
  work: 'seal' | 'open',
  bytes: number,
  key: Uint8Array<ArrayBuffer>,
  plaintext: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const prepared: [string, () => unknown][] = [];
  for (const suite of suites) {
    const aead = await suite.importAead(key);
    const nonce = suite.aeadNonce(NONCE_COUNTER);
    const ciphertext = await aead.seal(nonce, ASSOCIATED_DATA, plaintext);
    const once =
      work === 'seal'
        ? () => aead.seal(nonce, ASSOCIATED_DATA, plaintext)
        : () => aead.open(nonce, ASSOCIATED_DATA, ciphertext);
    prepared.push([`aead ${work} ${bytes} bytes, ${suite.name}`, once]);
  }
  group(() => {
    summary(() => {
      for (const [name, once] of prepared) benchBytes(name, bytes, once);
    });
  });
}
