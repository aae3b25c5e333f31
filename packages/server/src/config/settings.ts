// Every setting of the relay: its variable, what it accepts, its default and what it does. The only list there is;
// parsing, masking and documentation read from it.
import * as z from 'zod';
import { isAddressRange } from '../http/forwarding.ts';

/** Names of LOG_LEVEL, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'panic', 'off'] as const;

/** Smallest CLIENT_ID_SECRET in characters. */
const CLIENT_ID_SECRET_MIN_LENGTH = 32;

/** What is set per inbound domain: by variables for all, or by DOMAIN_MAP for each. */
export interface DomainSettings {
  readonly UPSTREAM: URL;
  /** PEM. */
  readonly UPSTREAM_CA: string | undefined;
  readonly UPSTREAM_CERT: string | undefined;
  readonly UPSTREAM_KEY: string | undefined;
  readonly CORS_ORIGINS: readonly string[];
  readonly CORS_METHODS: readonly string[];
  /** Newest first. */
  readonly CLIENT_ID_SECRET: readonly string[];
  readonly RELAY_IDENTITY_SEED: Uint8Array | undefined;
  readonly PASS_THROUGH_ROUTES: readonly string[];
  /** Undefined: every path that is not refused. */
  readonly MTE_ROUTES: readonly string[] | undefined;
  /** Names in lower case. */
  readonly HEADERS: ReadonlyArray<readonly [name: string, value: string]>;
  readonly COOKIE_SEALING: 'httponly' | 'all' | 'off';
}

/** What is set once for the process. */
export interface ProcessSettings {
  readonly PORT: number;
  readonly TRUSTED_PROXIES: readonly string[];
  readonly LOG_LEVEL: (typeof LOG_LEVELS)[number];
  readonly REQUEST_BODY_MAX_BYTES: number;
  readonly REQUEST_HEAD_MAX_BYTES: number;
  readonly SESSIONS_MAX: number;
  readonly SOLE_INSTANCE: 'auto' | 'true' | 'false';
  readonly EXCHANGES_MAX: number;
  readonly CLIENT_IDLE_TIMEOUT_MS: number;
  readonly UPSTREAM_CONNECT_TIMEOUT_MS: number;
  readonly UPSTREAM_HEADERS_TIMEOUT_MS: number;
  readonly UPSTREAM_IDLE_TIMEOUT_MS: number;
  readonly SHUTDOWN_TIMEOUT_MS: number;
}

/** Everything that is set. */
export interface Settings extends ProcessSettings {
  /** By inbound host in lower case; `*` alone when UPSTREAM is set, which serves every host. */
  readonly domains: ReadonlyMap<string, DomainSettings>;
}

/** One variable. */
export interface Setting<T> {
  readonly schema: z.ZodType<T, string | undefined>;
  /** What a valid value looks like; completes "expected …". */
  readonly expected: string;
  readonly effect: string;
  /** True when the value must never be shown. */
  readonly secret?: boolean;
}

const list = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const httpOrigin = z.string().refine((text) => {
  const url = parseUrl(text);
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === text;
});

const upstream = z
  .string()
  .refine((text) => {
    const url = parseUrl(text);
    return (
      url !== undefined &&
      /^https?:$/.test(url.protocol) &&
      url.search === '' &&
      url.hash === '' &&
      url.username === '' &&
      url.password === ''
    );
  })
  .transform((text) => new URL(text));

const pem = (label: string): z.ZodString =>
  z.string().regex(new RegExp(`^\\s*-----BEGIN [A-Z ]*${label}-----[\\s\\S]+-----END [A-Z ]*${label}-----\\s*$`));

const integer = (fallback: number, min: number, max: number): z.ZodType<number, string | undefined> =>
  z
    .string()
    .default(String(fallback))
    .refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max)
    .transform(Number);

const ROUTES_EXPECTED = 'comma-separated paths that start with "/"; a "*" at the end matches any rest';
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const FIELD_VALUE = /^[\t\x20-\x7e]*$/;

const route = z.string().refine((text) => /^\/[\x21-\x7e]*$/.test(text) && !/[?#]/.test(text));

/** A table of settings by variable. */
export type SettingTable<T> = { readonly [Name in keyof T]: Setting<T[Name]> };

export const DOMAIN_SETTINGS: SettingTable<DomainSettings> = {
  UPSTREAM: {
    schema: upstream,
    expected: 'an absolute http or https URL without credentials, query or fragment',
    effect: 'The API that opened requests are forwarded to. A path in it is put before every request path.',
  },
  UPSTREAM_CA: {
    schema: pem('CERTIFICATE').optional(),
    expected: 'certificates in PEM',
    effect: 'Certificate authorities that an https upstream is checked against, instead of the public ones.',
  },
  UPSTREAM_CERT: {
    schema: pem('CERTIFICATE').optional(),
    expected: 'a certificate in PEM, with UPSTREAM_KEY',
    effect: 'The certificate that the relay shows to the upstream (mutual TLS).',
  },
  UPSTREAM_KEY: {
    schema: pem('PRIVATE KEY').optional(),
    expected: 'a private key in PEM, with UPSTREAM_CERT',
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
      .pipe(z.array(z.string().regex(TOKEN)).min(1)),
    expected: 'comma-separated methods',
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
      .refine((text) => Buffer.from(text, 'base64').length === 32)
      .transform((text) => Uint8Array.from(Buffer.from(text, 'base64')))
      .optional(),
    expected: '32 bytes in base64, as `mte-relay-server identity --new` prints them',
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
      .transform((headers) => Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)),
    expected: 'a JSON object of header names and string values',
    effect: 'Header fields that the relay sets on every request to the upstream and on every answer.',
  },
  COOKIE_SEALING: {
    schema: z.enum(['httponly', 'all', 'off']).default('httponly'),
    expected: 'one of httponly, all, off',
    effect: 'Which cookie values are sealed on the outer hop of a browser.',
  },
};

export const PROCESS_SETTINGS: SettingTable<ProcessSettings> = {
  PORT: {
    schema: integer(8080, 0, 65_535),
    expected: 'a port number from 0 (any free port) to 65535',
    effect: 'Port that the relay listens on.',
  },
  TRUSTED_PROXIES: {
    schema: z.string().default('').transform(list).pipe(z.array(z.string().refine(isAddressRange))),
    expected: 'comma-separated addresses and CIDR ranges, such as 10.0.0.0/8',
    effect: 'Proxies in front of the relay whose X-Forwarded-For, -Proto and -Host are believed.',
  },
  LOG_LEVEL: {
    schema: z.enum(LOG_LEVELS).default('info'),
    expected: `one of ${LOG_LEVELS.join(', ')}`,
    effect: 'Least severity that is logged.',
  },
  REQUEST_BODY_MAX_BYTES: {
    schema: integer(1_073_741_824, 0, Number.MAX_SAFE_INTEGER),
    expected: 'a number of bytes',
    effect: 'Largest request body that is forwarded.',
  },
  REQUEST_HEAD_MAX_BYTES: {
    schema: integer(65_536, 1_024, 1_048_576),
    expected: 'a number of bytes from 1024 to 1048576',
    effect: 'Largest control data and header fields of an opened request.',
  },
  SESSIONS_MAX: {
    schema: integer(100_000, 1, 100_000_000),
    expected: 'a number of sessions from 1',
    effect: 'Sessions held at once; a pairing beyond that is refused with 503.',
  },
  SOLE_INSTANCE: {
    schema: z.enum(['auto', 'true', 'false']).default('auto'),
    expected: 'one of auto, true, false',
    effect:
      'Whether no other relay with this identity ever runs at the same time, not even during an update. Only then ' +
      'does a restart prove to clients that an unanswered request will never run. auto: true outside Kubernetes.',
  },
  EXCHANGES_MAX: {
    schema: integer(10_000, 1, 1_000_000),
    expected: 'a number of exchanges from 1',
    effect: 'Exchanges and pairings under way at once; one beyond that is refused with 503.',
  },
  CLIENT_IDLE_TIMEOUT_MS: {
    schema: integer(60_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect: 'How long a client may send nothing while its request is incomplete.',
  },
  UPSTREAM_CONNECT_TIMEOUT_MS: {
    schema: integer(10_000, 100, 600_000),
    expected: 'milliseconds from 100 to 600000',
    effect: 'How long connecting to the upstream may take.',
  },
  UPSTREAM_HEADERS_TIMEOUT_MS: {
    schema: integer(60_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect: 'How long the upstream may take to begin its answer.',
  },
  UPSTREAM_IDLE_TIMEOUT_MS: {
    schema: integer(300_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect: 'How long the upstream may pause inside an answer.',
  },
  SHUTDOWN_TIMEOUT_MS: {
    schema: integer(25_000, 0, 600_000),
    expected: 'milliseconds from 0 to 600000',
    effect: 'How long exchanges under way may take to finish after SIGTERM.',
  },
};

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** A value that no schema accepts when the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
