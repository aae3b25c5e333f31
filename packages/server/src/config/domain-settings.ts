// The settings of an inbound domain. Parsing, masking and documentation read this table.
import { fieldName, fields, shownFields } from './field-formats.ts';
import { certificates, cookieName, httpOrigin, method, privateKey, route, seed, upstream } from './formats.ts';
import { characters, choice, list, optional, withDefault } from './parsers.ts';
import type { DomainSettings, SettingTable } from './settings.ts';

/** Names in one of the lists of cookies. */
const COOKIE_NAMES_MAX = 32;
/** Values of a secret: the new and the old one during rotation. */
const ONE_OR_TWO = { min: 1, max: 2 };

export const DOMAIN_SETTINGS: SettingTable<DomainSettings> = {
  UPSTREAM: {
    ...upstream,
    effect:
      'The API to which the relay forwards opened requests. A path in the URL is prepended to the path of every request.',
  },
  UPSTREAM_CA: {
    ...optional(certificates),
    effect: 'Certificate authorities that verify an https upstream, instead of the public ones.',
  },
  UPSTREAM_CERT: {
    ...optional(certificates),
    effect: 'The certificate that the relay presents to the upstream (mutual TLS). Requires UPSTREAM_KEY.',
  },
  UPSTREAM_KEY: {
    ...optional(privateKey),
    effect: 'The private key of UPSTREAM_CERT. Requires UPSTREAM_CERT.',
    secret: true,
  },
  CORS_ORIGINS: {
    ...list(httpOrigin, { min: 1 }),
    effect: 'The origins whose pages may pair and exchange, compared exactly with the Origin field.',
  },
  CORS_METHODS: {
    ...withDefault('GET, POST, PUT, DELETE', list(method, { min: 1 })),
    effect:
      'Methods that pages of other origins may use, sealed or passed through. GET, HEAD and POST are always allowed.',
  },
  CLIENT_ID_SECRET: {
    ...list(characters({ min: 32 }, 'characters'), ONE_OR_TWO),
    effect:
      'Signs client ids, seals cookies and, without RELAY_IDENTITY_SEED, derives the relay key. "new,old" during rotation.',
    secret: true,
  },
  RELAY_IDENTITY_SEED: {
    ...optional(list(seed, ONE_OR_TWO)),
    effect:
      'The seed of the relay key, separate from CLIENT_ID_SECRET, so that a new secret does not change the pin. "new,old" ' +
      'during rotation.',
    secret: true,
  },
  PASS_THROUGH_ROUTES: {
    ...withDefault('', list(route)),
    effect: 'Paths that the relay forwards without sealing.',
  },
  MTE_ROUTES: {
    ...optional(list(route, { min: 1 })),
    effect: 'If set, the relay forwards sealed requests to these paths alone and rejects others with 404.',
  },
  WORKER_ROUTES: {
    ...withDefault('', list(route)),
    effect:
      'Paths that the service worker seals in pages which install it. If set, the relay serves /public/mte-relay-sw.js ' +
      'with its own pins and these paths; otherwise it serves no service worker.',
  },
  HEADERS: {
    ...withDefault('{}', shownFields),
    effect:
      'Header fields that the relay sets on every request to the upstream and on every response, in place of fields with ' +
      'the same names. Every client sees them, and on the outer hop so does every intermediary.',
    secret: true,
  },
  REQUEST_HEADERS: {
    ...withDefault('{}', fields),
    effect:
      'Header fields that the relay sets on every request to the upstream alone, such as a key of the API; they take ' +
      'precedence over HEADERS.',
    secret: true,
  },
  RESPONSE_HEADERS: {
    ...withDefault('{}', shownFields),
    effect: 'Header fields that the relay sets on every response alone; they take precedence over HEADERS.',
    secret: true,
  },
  REQUEST_FIELDS_TRUSTED: {
    ...withDefault('', list(fieldName)),
    effect:
      'Names of request fields that clients may send inside the seal although they name a caller, such as ' +
      'x-forwarded-user. See "Fields that name a caller".',
  },
  OUTER_FIELDS_PASSED: {
    ...withDefault('', list(fieldName)),
    effect:
      'Names of request fields that the proxies in TRUSTED_PROXIES set on the outer hop and that the relay passes to the ' +
      'upstream on every way, in place of the client’s. No other peer and no client sends them.',
  },
  COOKIES: {
    ...withDefault('inside', choice('inside', 'outside')),
    effect:
      'Where the cookies of browsers are: inside the seal, or outside, as cookies of the relay that every intermediary ' +
      'reads and can change. "outside" is for apps that cannot do otherwise.',
  },
  COOKIES_OUTER: {
    ...withDefault('', list(cookieName, { max: COOKIE_NAMES_MAX })),
    effect:
      'Names of cookies that stay outside the seal, both ways: for single sign-on, a migration in progress, and servers ' +
      'that render pages by the cookie of the browser. Every intermediary reads them and can plant its own.',
  },
  COOKIES_FROM_SCRIPT: {
    ...withDefault('', list(cookieName, { max: COOKIE_NAMES_MAX })),
    effect:
      'Names of cookies that scripts of pages set and the upstream expects. Clients send them inside the seal; others ' +
      'that a script has set do not reach the upstream.',
  },
};
