// Parsers of the formats that settings have: URLs, origins, PEM, routes.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { TOKEN } from '@mte-relay/protocol';
import * as z from 'zod';
import { isAddressRange } from '../http/forwarding.ts';
import { canonicalTarget } from '../http/target.ts';
import { isJarName } from '../secrets/jar-keys.ts';
import { parseRedisUrl, REDIS_URL_EXPECTED, type RedisTarget } from '../sessions/redis-url.ts';
import { checked, converted, type Parser, type Rule, ruled, TEXT } from './parsers.ts';

const isHttpUrl: Rule = ['of scheme http or https', (text) => /^https?:$/.test(parseUrl(text)?.protocol ?? '')];
const toUrl = (text: string): URL => new URL(text);

export const httpUrl: Parser<URL> = converted(ruled('an absolute URL', isHttpUrl), toUrl);

/** A URL whose path is a prefix of every request's path. */
export const upstream: Parser<URL> = converted(
  ruled(
    'an absolute URL',
    isHttpUrl,
    ['without user or password', (text) => toUrl(text).username === '' && toUrl(text).password === ''],
    ['without query or fragment', (text) => toUrl(text).search === '' && toUrl(text).hash === ''],
  ),
  toUrl,
);

const ORIGIN =
  'an http or https origin such as https://www.example.com or http://localhost:3000, its port at most 65535';

/** An origin as browsers serialize it (RFC 6454 §6.2), because Origin fields are compared byte by byte. */
export const httpOrigin: Parser<string> = {
  schema: z.string().refine((text) => originOf(text) === text, {
    error: ({ input }) => {
      const origin = originOf(String(input));
      return origin === undefined ? ORIGIN : `${origin}, the form that browsers send`;
    },
  }),
  expected: ORIGIN,
  yaml: TEXT,
};

function originOf(text: string): string | undefined {
  return isHttpUrl[1](text) ? toUrl(text).origin : undefined;
}

/** REDIS_URL. */
export const redisUrl: Parser<RedisTarget> = converted(
  checked(REDIS_URL_EXPECTED, (text) => parseRedisUrl(text) !== undefined),
  (text) => parseRedisUrl(text) as RedisTarget,
);

export const addressRange: Parser<string> = checked(
  'an IP address or CIDR range such as 10.0.0.0/8 or fd00::/8',
  isAddressRange,
);

export const listenHost: Parser<string> = checked(
  'an IP address such as 127.0.0.1 or ::1, or localhost',
  (text) => isIP(text) !== 0 || text === 'localhost',
);

const CERTIFICATE = /-----BEGIN [A-Z ]*CERTIFICATE-----[\s\S]+?-----END [A-Z ]*CERTIFICATE-----/g;
const CERTIFICATES = 'one or more certificates in PEM';

/** Certificates with any text between them. One that cannot be parsed would fail every connection. */
export const certificates: Parser<string> = {
  schema: z.string().superRefine((text, context) => {
    const pems = text.match(CERTIFICATE) ?? [];
    if (pems.length === 0) context.addIssue({ code: 'custom', message: CERTIFICATES, input: text });
    for (const [at, pem] of pems.entries()) {
      if (canMake(() => new X509Certificate(pem))) continue;
      context.addIssue({ code: 'custom', path: [at], message: 'a certificate in PEM that can be parsed', input: pem });
    }
  }),
  expected: CERTIFICATES,
  yaml: TEXT,
};

export const privateKey: Parser<string> = checked('a private key in PEM without passphrase', (text) =>
  canMake(() => createPrivateKey(text)),
);

/** Pairs as the specification of OpenTelemetry writes header fields and attributes. */
export const pair: Parser<string> = ruled(
  'name=value',
  ['without spaces in the name', (text) => /^[^=\s]+=/.test(text)],
  ['without "%" except before two hexadecimal digits', (text) => /^[^=]*=(?:[^%]|%[0-9A-Fa-f]{2})*$/.test(text)],
);

/** A method in upper case. "*" is a token of RFC 9110 §5.6.2 too, and would not match every method. */
export const method: Parser<string> = converted(
  checked('a method name without "*", such as PATCH', (text) => TOKEN.test(text) && !text.includes('*')),
  (text) => text.toUpperCase(),
);

const pathOfRoute = (text: string): string | undefined => canonicalTarget(text.replace(/\*$/, ''));

/** A cookie's name, compared exactly (RFC 6265bis §4.1.1). */
export const cookieName: Parser<string> = ruled(
  "a cookie's name",
  ['of 1 to 128 characters of a token', (text) => /^[!#$%&'*+\-.^_`|~\w]{1,128}$/.test(text)],
  ['that is not one of the relay’s jar keys', (text) => !isJarName(text)],
);

/** A path in the form that requests are matched in, perhaps with "*" at its end. */
export const route: Parser<string> = converted(
  ruled(
    'a path',
    ['that starts with one "/"', (text) => /^\/(?!\/)/.test(text)],
    ['in visible ASCII', (text) => /^[\x21-\x7e]*$/.test(text)],
    ['without "?" and "#"', (text) => !/[?#]/.test(text)],
    ['without "*" except at its end, where it matches any rest', (text) => !/\*./.test(text)],
    [
      'without dot segments, "\\", incomplete escapes, and escaped "/", "\\" or NUL',
      (text) => pathOfRoute(text) !== undefined,
    ],
  ),
  (text) => pathOfRoute(text) + (text.endsWith('*') ? '*' : ''),
);

/** 32 bytes. */
export const seed: Parser<Uint8Array> = converted(
  checked('32 bytes in base64 (not base64url), as `mte-relay-server identity --new` prints them', (text) =>
    /^[A-Za-z0-9+/]{43}=?$/.test(text),
  ),
  (text) => Uint8Array.from(Buffer.from(text, 'base64')),
);

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function canMake(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}
