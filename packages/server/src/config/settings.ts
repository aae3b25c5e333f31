// Every setting of the relay, as its parsed value. From the sources to settings and back to text:
//   sources.ts   reads the environment, files and an adapter to texts by variable (values.ts, suggest.ts)
//   load.ts      parses the texts (parse.ts, domain-map.ts) by the tables of domain-settings.ts and process-settings.ts
//   parsers.ts   builds the parsers in the tables, and formats.ts has those of formats such as URLs
//   shown.ts     writes the settings in force as text, secrets masked
import type { RedisTarget } from '../sessions/redis-url.ts';
import type { Parser } from './parsers.ts';

/** Names of LOG_LEVEL, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'panic', 'off'] as const;

/** Names of OTEL_TRACES_SAMPLER. */
export const TRACES_SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** The settings of one inbound domain: from variables for every host, or from DOMAIN_MAP for one. */
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
  /** Newest first. */
  readonly RELAY_IDENTITY_SEED: readonly Uint8Array[] | undefined;
  readonly PASS_THROUGH_ROUTES: readonly string[];
  /** Undefined: every path that the path policy allows. */
  readonly MTE_ROUTES: readonly string[] | undefined;
  /** Empty: the relay serves no service worker. */
  readonly WORKER_ROUTES: readonly string[];
  /** Names in lower case. */
  readonly HEADERS: ReadonlyArray<readonly [name: string, value: string]>;
  /** Sent to the upstream alone; as HEADERS. */
  readonly REQUEST_HEADERS: ReadonlyArray<readonly [name: string, value: string]>;
  /** Sent to clients alone; as HEADERS. */
  readonly RESPONSE_HEADERS: ReadonlyArray<readonly [name: string, value: string]>;
  /** Names in lower case. */
  readonly REQUEST_FIELDS_TRUSTED: readonly string[];
  /** Names in lower case. */
  readonly OUTER_FIELDS_PASSED: readonly string[];
  readonly COOKIES: 'inside' | 'outside';
  readonly COOKIES_OUTER: readonly string[];
  readonly COOKIES_FROM_SCRIPT: readonly string[];
}

/** The settings of the process. */
export interface ProcessSettings {
  readonly PORT: number;
  readonly ADMIN_PORT: number | 'auto' | 'off';
  readonly ADMIN_HOST: string;
  readonly TRUSTED_PROXIES: readonly string[];
  readonly PUBLIC_FILES: 'on' | 'off';
  readonly LOG_LEVEL: (typeof LOG_LEVELS)[number];
  readonly REQUEST_BODY_MAX_BYTES: number;
  readonly REQUEST_HEAD_MAX_BYTES: number;
  readonly SESSIONS_MAX: number;
  readonly SESSIONS_PER_NETWORK_MAX: number;
  readonly REDIS_URL: RedisTarget | undefined;
  readonly REDIS_CA: string | undefined;
  readonly REDIS_KEY_PREFIX: string;
  readonly REDIS_TIMEOUT_MS: number;
  readonly REDIS_SESSIONS_CACHED_MAX: number;
  readonly SOLE_INSTANCE: 'auto' | 'true' | 'false';
  readonly MESSAGE_AGE_MAX_MS: number;
  readonly PAD_TO_BYTES: number;
  readonly EXCHANGES_MAX: number;
  readonly PAIRINGS_PER_MINUTE: number;
  readonly PAIRINGS_BURST: number;
  readonly PAIRINGS_CONCURRENT_MAX: number;
  readonly CONNECTIONS_MAX: number;
  readonly OUTER_HEAD_MAX_BYTES: number;
  readonly OUTER_FIELDS_MAX: number;
  readonly CLIENT_HEAD_TIMEOUT_MS: number;
  readonly KEEP_ALIVE_TIMEOUT_MS: number;
  readonly CLIENT_IDLE_TIMEOUT_MS: number;
  readonly UPSTREAM_CONNECT_TIMEOUT_MS: number;
  readonly UPSTREAM_HEADERS_TIMEOUT_MS: number;
  readonly UPSTREAM_IDLE_TIMEOUT_MS: number;
  readonly WEBSOCKETS_MAX: number;
  readonly WEBSOCKET_MESSAGE_MAX_BYTES: number;
  readonly WEBSOCKET_FRAGMENTS_MAX: number;
  readonly WEBSOCKET_IDLE_TIMEOUT_MS: number;
  readonly WEBSOCKET_LIFETIME_MS: number;
  readonly DRAIN_DELAY_MS: number;
  readonly SHUTDOWN_TIMEOUT_MS: number;
  readonly LOG_MODULE: string | undefined;
  readonly SESSIONS_MODULE: string | undefined;
  readonly STARTUP_MODULE: string | undefined;
  readonly OTEL_EXPORTER_OTLP_ENDPOINT: URL | undefined;
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: URL | undefined;
  readonly OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf';
  readonly OTEL_TRACES_EXPORTER: 'otlp' | 'none';
  /** name=value, percent-encoded; so are OTEL_RESOURCE_ATTRIBUTES. */
  readonly OTEL_EXPORTER_OTLP_HEADERS: readonly string[];
  readonly OTEL_EXPORTER_OTLP_TIMEOUT: number;
  readonly OTEL_SERVICE_NAME: string;
  readonly OTEL_RESOURCE_ATTRIBUTES: readonly string[];
  readonly OTEL_TRACES_SAMPLER: (typeof TRACES_SAMPLERS)[number];
  readonly OTEL_TRACES_SAMPLER_ARG: number;
  readonly OTEL_BSP_MAX_QUEUE_SIZE: number;
  readonly OTEL_BSP_SCHEDULE_DELAY: number;
  readonly OTEL_SDK_DISABLED: 'true' | 'false';
}

/** All settings. */
export interface Settings extends ProcessSettings {
  /** By inbound host in lower case; without DOMAIN_MAP `*` alone, the domain of every host. */
  readonly domains: ReadonlyMap<string, DomainSettings>;
}

/** One variable. */
export interface Setting<T> extends Parser<T, string | undefined> {
  /** Sentences about its effect. */
  readonly effect: string;
  /** True if the value must never be shown; default false. */
  readonly secret?: boolean;
}

/** A table of settings by variable. */
export type SettingTable<T> = { readonly [Name in keyof T]: Setting<T[Name]> };
