// Cases of SPEC §3.1 and §3.5: from secrets to keys, pins and client ids.
import { type Bytes, keyIdOf, type Suite } from '@mte-relay/protocol';
import type { IdentityVectors } from '../format.ts';
import { hex, join, text, uint } from '../twin/bytes.ts';
import { type Case, expectSame, unhex, utf8 } from './case.ts';
import type { Providers } from './fixed-suite.ts';

export function identityCases({ identities, clientIds }: IdentityVectors, { client }: Providers): Case[] {
  const { suite, keyPair } = client;
  return [
    ...identities.map(({ name, seed, publicKey, keyId, pin, clientIdSecret }) => ({
      name: `identity: ${name}`,
      async run() {
        const pair = await keyPair(unhex(seed));
        expectSame(hex(pair.publicKey), publicKey);
        expectSame(hex(await keyIdOf(suite, pair.publicKey)), keyId);
        expectSame(`sha256-${base64(await suite.hash(pair.publicKey))}`, pin);
        expectSame(hex(await hkdf(suite, clientIdSecret, 'mte-relay/1 identity')), seed);
      },
    })),
    ...clientIds.map(({ name, clientIdSecret, id, expiryUnixMs, clientId, fieldValue }) => ({
      name: `client id: ${name}`,
      async run() {
        const key = await hkdf(suite, clientIdSecret, 'mte-relay/1 client-id');
        const signed = join(unhex(id), uint(8, expiryUnixMs));
        const made = join(signed, await suite.hmac(key, new Uint8Array(signed)));
        expectSame(hex(made), clientId);
        expectSame(base64(made).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, ''), fieldValue);
      },
    })),
  ];
}

/** RFC 5869 with an empty salt and one block of output, by the provider's own HMAC. */
async function hkdf(suite: Suite, secret: string, info: string): Promise<Bytes> {
  const prk = await suite.hmac(new Uint8Array(32), utf8(secret));
  return suite.hmac(prk, new Uint8Array(join(text(info), Uint8Array.of(1))));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
