// Makes the `.json.br` files of this folder from the published ones: `node packages/protocol/test/vectors/reduce.ts FILE…`,
// each FILE under the name that its source repository gives it. README.md has the sources.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

type Fields = Record<string, unknown>;
interface Wycheproof extends Fields {
  readonly testGroups: ReadonlyArray<Fields & { readonly tests: readonly Fields[] }>;
}

interface Target {
  /** Below this folder. */
  readonly file: string;
  /** The published file without what no test reads. */
  readonly reduce: (published: unknown) => unknown;
}

const TARGETS: Readonly<Record<string, Target>> = {
  'aes_gcm_test.json': wycheproof('aes_gcm_test', {
    keep: ({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128,
  }),
  'chacha20_poly1305_test.json': wycheproof('chacha20_poly1305_test', { keep: ({ ivSize }) => ivSize === 96 }),
  'hkdf_sha256_test.json': wycheproof('hkdf_sha256_test'),
  'hmac_sha256_test.json': wycheproof('hmac_sha256_test'),
  'mlkem_768_encaps_test.json': wycheproof('mlkem_768_encaps_test'),
  'mlkem_768_keygen_seed_test.json': wycheproof('mlkem_768_keygen_seed_test'),
  // The seed gives the encapsulation key.
  'mlkem_768_test.json': wycheproof('mlkem_768_test', { without: 'ek' }),
  'x25519_test.json': wycheproof('x25519_test'),
  'cacophony.txt': { file: 'go-clatter/cacophony.json.br', reduce: (published) => published },
  'test-vectors.json': {
    file: 'ietf/hpke-pq.json.br',
    reduce: (published) =>
      (published as Fields[])
        .filter(({ kem_id }) => kem_id === 0x647a)
        .map(({ encryptions, exports, ...keySchedule }) => keySchedule),
  },
};

/** A Wycheproof file without its notes, the groups that `keep` refuses, and the field `without` of each test. */
function wycheproof(
  name: string,
  { keep = () => true, without = '' }: { keep?: (group: Fields) => boolean; without?: string } = {},
): Target {
  return {
    file: `wycheproof/${name}.json.br`,
    reduce(published) {
      const { notes, testGroups, ...head } = published as Wycheproof;
      const groups = testGroups.filter(keep).map((group) => ({
        ...group,
        tests: group.tests.map((test) =>
          Object.fromEntries(Object.entries(test).filter(([field]) => field !== without)),
        ),
      }));
      return { ...head, numberOfTests: groups.flatMap(({ tests }) => tests).length, testGroups: groups };
    },
  };
}

for (const path of process.argv.slice(2)) {
  const target = TARGETS[basename(path)];
  if (!target) throw new Error(`no rule for ${basename(path)}: copy it as it is, or write one`);
  const text = Buffer.from(JSON.stringify(target.reduce(JSON.parse(readFileSync(path, 'utf8')))));
  const compressed = brotliCompressSync(text, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
    },
  });
  writeFileSync(join(import.meta.dirname, target.file), compressed);
  console.log(`${target.file}: ${compressed.length} bytes`);
}
