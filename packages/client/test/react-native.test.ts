// The parts that React Native's platform decides; test/runtimes shows the whole in Hermes.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { textOf } from '../src/platform/react-native/utf8.ts';
import { platform } from '../src/platform/react-native.ts';

const { getRandomValues, subtle } = globalThis.crypto;

describe('cryptography in React Native', () => {
  afterEach(() => vi.unstubAllGlobals());

  test('without a secure random source the error names the package to add', () => {
    vi.stubGlobal('crypto', undefined);
    expect(() => platform.makeSuite()).toThrow(/add react-native-get-random-values/);
  });

  test('WebCrypto, as react-native-quick-crypto installs it, is used when it is there, else noble', () => {
    vi.stubGlobal('crypto', { getRandomValues });
    expect(platform.makeSuite().name).toBe('noble');
    vi.stubGlobal('crypto', { getRandomValues, subtle });
    expect(platform.makeSuite().name).toBe('webcrypto');
  });
});

test('text of a response is what TextDecoder makes of it, also where it is not UTF-8', () => {
  const decoder = new TextDecoder();
  const samples = [
    '',
    'efbbbf61',
    'c3a9e282acf09f9880',
    'c0af',
    'eda080',
    'f4908080',
    'e282',
    'f09f98',
    'ff61',
    'e28061',
    'f0808080',
    'fcfdfe',
  ];
  for (const hex of samples) {
    const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
    expect(textOf(bytes), hex).toBe(decoder.decode(bytes));
  }
  for (let round = 0; round < 2000; round += 1) {
    const bytes = globalThis.crypto.getRandomValues(new Uint8Array(12)).map((byte, i) => (i % 3 ? byte | 0x80 : byte));
    expect(textOf(bytes), Buffer.from(bytes).toString('hex')).toBe(decoder.decode(bytes));
  }
});
