// Settings of an inbound domain: each variable, what it accepts, its default and what it does. Parsing, masking and
// documentation read from this table.
import * as z from 'zod';
import {
  certificates,
  FIELD_VALUE,
  httpOrigin,
  list,
  METHOD,
  NOT_OWN_FIELD,
  parseJson,
  privateKey,
  ROUTES_EXPECTED,
  route,
  SEED,
  TOKEN,
  upstream,
} from './parsers.ts';
import type { DomainSettings, SettingTable } from './settings.ts';

/** Smallest CLIENT_ID_SECRET in characters. */
const CLIENT_ID_SECRET_MIN_LENGTH = 32;

export const DOMAIN_SETTINGS: SettingTable<DomainSettings> = {
  UPSTREAM: {
    schema: upstream,
    expected: 'an absolute http or https URL without credentials, query or fragment',
    effect: 'The API that opened requests are forwarded to. A path in it is put before every request path.',
  },
  UPSTREAM_CA: {
    schema: certificates.optional(),
    expected: 'certificates in PEM',
    effect: 'Certificate authorities that an https upstream is checked against, instead of the public ones.',
  },
  UPSTREAM_CERT: {
    schema: certificates.optional(),
    expected: 'a certificate in PEM, with UPSTREAM_KEY',
    effect: 'The certificate that the relay shows to the upstream (mutual TLS).',
  },
  UPSTREAM_KEY: {
    schema: privateKey.optional(),
    expected: 'a private key in PEM without passphrase, with UPSTREAM_CERT',
    effect: 'The key of UPSTREAM_CERT.',
    secret: true,
  },
  CORS_ORIGINS: {
    schema: z.string().transform(list).pipe(z.array(httpOrigin).min(1)),
    expected: 'comma-separated origins such as https://www.example.com, each scheme://host[:port] and nothing more',
    effect: 'Origins whose pages may pair and exchange. Compared exactly.',
  },
  CORS_METHODS: {
    schema: z
      .string()
      .default('GET, POST, PUT, DELETE')
      .transform(list)
      .pipe(z.array(z.string().regex(METHOD).toUpperCase()).min(1)),
    expected: 'comma-separated methods, each by its name',
    effect:
      'Methods that pages of other origins may use, sealed or passed through. GET, HEAD and POST are always among them.',
  },
  CLIENT_ID_SECRET: {
    schema: z
      .string()
      .transform(list)
      .pipe(z.array(z.string().min(CLIENT_ID_SECRET_MIN_LENGTH)).min(1).max(2)),
    expected: `at least ${CLIENT_ID_SECRET_MIN_LENGTH} characters; "new,old" while rotating`,
    effect: 'Signs client ids, seals cookies and, without RELAY_IDENTITY_SEED, gives the relay its key.',
    secret: true,
  },
  RELAY_IDENTITY_SEED: {
    schema: z
      .string()
      .transform(list)
      .pipe(z.array(z.string().regex(SEED)).min(1).max(2))
      .transform((seeds) => seeds.map((seed) => Uint8Array.from(Buffer.from(seed, 'base64'))))
      .optional(),
    expected: '32 bytes in base64, as `mte-relay-server identity --new` prints them; "new,old" while rotating',
    effect: 'The seed of the relay key, apart from CLIENT_ID_SECRET, so that rotating that does not change the pin.',
    secret: true,
  },
  PASS_THROUGH_ROUTES: {
    schema: z.string().default('').transform(list).pipe(z.array(route)),
    expected: ROUTES_EXPECTED,
    effect: 'Paths that are forwarded without sealing.',
  },
  MTE_ROUTES: {
    schema: z.string().transform(list).pipe(z.array(route).min(1)).optional(),
    expected: ROUTES_EXPECTED,
    effect: 'If set, the only paths that are forwarded from sealed requests; others are answered 404.',
  },
  HEADERS: {
    schema: z
      .string()
      .default('{}')
      .transform(parseJson)
      .pipe(z.record(z.string().regex(TOKEN), z.string().regex(FIELD_VALUE)))
      .superRefine((headers, context) => {
        const wrong = Object.keys(headers).filter((name) => NOT_OWN_FIELD.test(name));
        if (wrong.length > 0) context.addIssue({ code: 'custom', message: `it names ${wrong.join(', ')}` });
      })
      .transform((headers) => Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)),
    expected:
      'a JSON object of header names and string values, none of them of one hop, of one body, or the relay’s own ' +
      '(connection, content-length, access-control-…, mte-relay-…)',
    effect: 'Header fields that the relay sets on every request to the upstream and on every answer, over others.',
    secret: true,
  },
  COOKIE_SEALING: {
    schema: z.enum(['httponly', 'all', 'off']).default('httponly'),
    expected: 'one of httponly, all, off',
    effect:
      'Which cookie values are sealed on the outer hop of a browser. A sealed value is a third longer, and browsers drop ' +
      'cookies of more than 4096 bytes: of about 3000 before.',
  },
};
