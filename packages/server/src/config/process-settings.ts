// The settings of the process. Parsing, masking and documentation read this table.
import { PAD_TO_MAX_BYTES } from '@mte-relay/protocol';
import { addressRange, certificates, httpUrl, listenHost, pair, redisUrl } from './formats.ts';
import { anyText, characters, choice, choiceOr, decimal, integer, list, optional, withDefault } from './parsers.ts';
import { LOG_LEVELS, type ProcessSettings, type SettingTable, TRACES_SAMPLERS } from './settings.ts';

const port = integer({ min: 0, max: 65_535, unit: 'port number, 0 for any free port' });

export const PROCESS_SETTINGS: SettingTable<ProcessSettings> = {
  PORT: {
    ...withDefault(8_080, port),
    effect: 'Port that the relay listens on.',
  },
  ADMIN_PORT: {
    ...withDefault('auto', choiceOr(['auto', 'off'], port)),
    effect:
      'Port of /livez, /readyz and /metrics, which the public port never serves. auto: 9090, or any free port if ' +
      'PORT is 0.',
  },
  ADMIN_HOST: {
    ...withDefault('::', listenHost),
    effect:
      'Address that ADMIN_PORT listens on. The default is every address, because probes and Prometheus connect to ' +
      'the address of the pod. The port serves counts, never traffic.',
  },
  TRUSTED_PROXIES: {
    ...withDefault('', list(addressRange)),
    effect:
      'Proxies in front of the relay whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host the relay ' +
      'trusts.',
  },
  PUBLIC_FILES: {
    ...withDefault('on', choice('on', 'off')),
    effect:
      'Whether the relay serves its client to web pages: /public/mte-relay-client.js, ' +
      '/public/mte-relay-client.mjs, the installer of the service worker, /public/mte-relay-install.js and ' +
      '/public/mte-relay-install.mjs, with WORKER_ROUTES /public/mte-relay-sw.js, and, for licences, ' +
      '/public/mte-relay-licenses.txt. The relay itself never serves other paths under /public.',
  },
  LOG_LEVEL: {
    ...withDefault('info', choice(...LOG_LEVELS)),
    effect: 'Least severity that is logged.',
  },
  REQUEST_BODY_MAX_BYTES: {
    ...withDefault(1_073_741_824, integer({ min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'bytes' })),
    effect: 'Largest request body that the relay forwards.',
  },
  REQUEST_HEAD_MAX_BYTES: {
    ...withDefault(65_536, integer({ min: 1_024, max: 1_048_576, unit: 'bytes' })),
    effect: 'Largest control data and header fields of an opened request.',
  },
  SESSIONS_MAX: {
    ...withDefault(100_000, integer({ min: 1, max: 100_000_000, unit: 'sessions' })),
    effect:
      'Most sessions in memory at once. When they are used up, sessions that have ended make room, then those without ' +
      'a message so far; then further pairings are rejected with 503. Without REDIS_URL only.',
  },
  SESSIONS_PER_NETWORK_MAX: {
    ...withDefault(10_000, integer({ min: 1, max: 100_000_000, unit: 'sessions' })),
    effect:
      'Most sessions of one client address (an IPv6 /64) at once; with REDIS_URL, most that all relays together pair ' +
      'within the 15 minutes after which an idle session ends. Further pairings are rejected with 429. Behind a ' +
      'proxy or load balancer, set TRUSTED_PROXIES, or all clients count as one.',
  },
  REDIS_URL: {
    ...optional(redisUrl),
    effect:
      'Where sessions are stored, so that any number of relays with one identity serve them. Without it, they are ' +
      'in memory. Redis 6.2 or later, or Valkey.',
    secret: true,
  },
  REDIS_CA: {
    ...optional(certificates),
    effect: 'Certificate authorities that verify a rediss server, instead of the public ones.',
  },
  REDIS_KEY_PREFIX: {
    ...withDefault(
      'mte-relay:',
      characters({ min: 1, max: 64 }, 'visible ASCII characters without braces', /^[\x21-\x7a|~]*$/),
    ),
    effect: 'Prefix of every key in Redis. Relays of different identities need different prefixes.',
  },
  REDIS_TIMEOUT_MS: {
    ...withDefault(1_000, integer({ min: 50, max: 60_000, unit: 'milliseconds' })),
    effect: 'How long Redis may take to connect or to respond; an exchange that waits longer is rejected with 503.',
  },
  REDIS_SESSIONS_CACHED_MAX: {
    ...withDefault(10_000, integer({ min: 1, max: 10_000_000, unit: 'sessions' })),
    effect: 'Most sessions from Redis whose secrets the relay caches, for a minute at most. Claims are never cached.',
  },
  SOLE_INSTANCE: {
    ...withDefault('auto', choice('auto', 'true', 'false')),
    effect:
      'Whether no other relay that clients of this one may reach ever runs at the same time, not even during an ' +
      'update or in another region. Only then does a restart prove to clients that a request without a response ' +
      'will never run. auto: false. With sessions in memory only.',
  },
  MESSAGE_AGE_MAX_MS: {
    ...withDefault(120_000, integer({ min: 1_000, max: 86_400_000, unit: 'milliseconds' })),
    effect:
      'How old a request may be when it arrives: an older one, which something on the way has held back, does not ' +
      'run, and the client sends it anew. Relays of one identity need clocks that agree within it.',
  },
  PAD_TO_BYTES: {
    ...withDefault(128, integer({ min: 0, max: PAD_TO_MAX_BYTES, unit: 'bytes' })),
    effect:
      'Sealed requests and responses are padded to a multiple of this many bytes, so that their exact lengths do not ' +
      'name the endpoint. 0: not at all.',
  },
  EXCHANGES_MAX: {
    ...withDefault(10_000, integer({ min: 1, max: 1_000_000, unit: 'exchanges' })),
    effect: 'Most exchanges and pairings in progress at once; further ones are rejected with 503.',
  },
  PAIRINGS_PER_MINUTE: {
    ...withDefault(600, integer({ min: 1, max: 1_000_000, unit: 'pairings' })),
    effect:
      'Pairings that one client address (an IPv6 /64) may begin per minute in the long run; further ones are ' +
      'rejected with 429. Behind a proxy or load balancer, set TRUSTED_PROXIES, or all clients count as one.',
  },
  PAIRINGS_BURST: {
    ...withDefault(300, integer({ min: 1, max: 1_000_000, unit: 'pairings' })),
    effect: 'Pairings that one client address may begin at once before PAIRINGS_PER_MINUTE applies.',
  },
  PAIRINGS_CONCURRENT_MAX: {
    ...withDefault(1_000, integer({ min: 1, max: 1_000_000, unit: 'pairings' })),
    effect: 'Most pairings in progress at once; further ones are rejected with 503.',
  },
  CONNECTIONS_MAX: {
    ...withDefault(20_000, integer({ min: 1, max: 10_000_000, unit: 'connections' })),
    effect: 'Most connections of clients at once; the relay closes further ones as soon as they open.',
  },
  OUTER_HEAD_MAX_BYTES: {
    ...withDefault(32_768, integer({ min: 1_024, max: 1_048_576, unit: 'bytes' })),
    effect: 'Largest request line and header fields on the outer hop; larger ones are rejected with 431.',
  },
  OUTER_FIELDS_MAX: {
    ...withDefault(256, integer({ min: 8, max: 10_000, unit: 'header fields' })),
    effect: 'Most header fields on the outer hop; a request with more is rejected with 431.',
  },
  CLIENT_HEAD_TIMEOUT_MS: {
    ...withDefault(30_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect: 'How long a request line and its header fields may take to arrive; then 408.',
  },
  KEEP_ALIVE_TIMEOUT_MS: {
    ...withDefault(75_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect:
      'How long a connection stays open without a request. Set it longer than the idle timeout of the load ' +
      'balancer in front, so that the load balancer closes first and no request meets a closing connection.',
  },
  CLIENT_IDLE_TIMEOUT_MS: {
    ...withDefault(60_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect:
      'How long a client may send nothing while its request is incomplete (then 408), read nothing while a ' +
      'response waits for it (then the relay aborts the connection), and take to send a pairing request or the ' +
      'first chunk of a message (then 408).',
  },
  UPSTREAM_CONNECT_TIMEOUT_MS: {
    ...withDefault(10_000, integer({ min: 100, max: 600_000, unit: 'milliseconds' })),
    effect: 'How long connecting to the upstream may take.',
  },
  UPSTREAM_HEADERS_TIMEOUT_MS: {
    ...withDefault(60_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect: 'How long the upstream may take to begin its response.',
  },
  UPSTREAM_IDLE_TIMEOUT_MS: {
    ...withDefault(300_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect: 'How long the upstream may pause within a response.',
  },
  WEBSOCKETS_MAX: {
    ...withDefault(10_000, integer({ min: 0, max: 1_000_000, unit: 'WebSockets' })),
    effect: 'Most WebSockets at once, sealed and passed through; further ones are rejected with 503.',
  },
  WEBSOCKET_MESSAGE_MAX_BYTES: {
    ...withDefault(16_777_216, integer({ min: 1, max: 1_073_741_824, unit: 'bytes' })),
    effect:
      'Largest message of a sealed WebSocket, in either direction; a larger one closes the WebSocket with 1009. ' +
      'The client accepts up to 64 MiB.',
  },
  WEBSOCKET_FRAGMENTS_MAX: {
    ...withDefault(16_384, integer({ min: 1, max: 1_000_000, unit: 'pieces' })),
    effect:
      'Most pieces that one message of a sealed WebSocket may arrive in, in either direction; more close the WebSocket ' +
      'with 1009.',
  },
  WEBSOCKET_IDLE_TIMEOUT_MS: {
    ...withDefault(120_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect:
      'How long a WebSocket may be silent. The relay pings sealed clients after half of it, and a pong counts. A ' +
      'WebSocket that is passed through must carry bytes.',
  },
  WEBSOCKET_LIFETIME_MS: {
    ...withDefault(3_600_000, integer({ min: 100, max: 86_400_000, unit: 'milliseconds' })),
    effect: 'How long a sealed WebSocket may stay open under its keys; the relay then closes it with 1001.',
  },
  DRAIN_DELAY_MS: {
    ...withDefault(5_000, integer({ min: 0, max: 600_000, unit: 'milliseconds' })),
    effect:
      'How long the relay keeps serving after SIGTERM, so that load balancers notice before it stops accepting. ' +
      'Meanwhile it is not ready and closes each connection after the next response.',
  },
  SHUTDOWN_TIMEOUT_MS: {
    ...withDefault(25_000, integer({ min: 0, max: 600_000, unit: 'milliseconds' })),
    effect: 'How long exchanges in progress may take to finish after DRAIN_DELAY_MS.',
  },
  LOG_MODULE: {
    ...optional(anyText('the path or package of a pino transport')),
    effect: 'A module that takes the log lines instead of standard output. Flag --log.',
  },
  SESSIONS_MODULE: {
    ...optional(anyText('the path or package of an ES module that makes a session store')),
    effect: 'A module that stores sessions, instead of memory or Redis. Flag --sessions.',
  },
  STARTUP_MODULE: {
    ...optional(anyText('the path or package of an ES module that exports a function')),
    effect: 'A module that runs before the relay listens; if it fails, the relay exits. Flag --startup.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    ...optional(httpUrl),
    effect:
      'Where the relay sends traces, by OTLP over HTTP as protobuf; it appends /v1/traces. Unless this or ' +
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, the relay makes no traces and does not load OpenTelemetry.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    ...optional(httpUrl),
    effect: 'The same for traces alone, with nothing appended.',
  },
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    ...withDefault('http/protobuf', choice('http/protobuf')),
    effect:
      'How traces are sent; the relay supports this protocol alone. Collectors accept it on port 4318, and gRPC ' +
      'on 4317.',
  },
  OTEL_TRACES_EXPORTER: {
    ...withDefault('otlp', choice('otlp', 'none')),
    effect: 'none turns traces off, whatever else is set.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    ...withDefault('', list(pair)),
    effect: 'Header fields sent with traces, such as the key of a collector.',
    secret: true,
  },
  OTEL_EXPORTER_OTLP_TIMEOUT: {
    ...withDefault(10_000, integer({ min: 100, max: 600_000, unit: 'milliseconds' })),
    effect: 'How long the collector may take for one batch; the relay then drops the batch.',
  },
  OTEL_SERVICE_NAME: {
    ...withDefault('mte-relay', anyText('a name')),
    effect: 'The name of this relay in traces.',
  },
  OTEL_RESOURCE_ATTRIBUTES: {
    ...withDefault('', list(pair)),
    effect: 'Attributes of this relay in traces, such as k8s.pod.name.',
  },
  OTEL_TRACES_SAMPLER: {
    ...withDefault('parentbased_always_on', choice(...TRACES_SAMPLERS)),
    effect:
      'Which exchanges are traced. parentbased: a request that belongs to a trace follows the decision of that ' +
      'trace.',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    ...withDefault(1, decimal({ min: 0, max: 1 })),
    effect: 'The share of traces that traceidratio samples.',
  },
  OTEL_BSP_MAX_QUEUE_SIZE: {
    ...withDefault(2_048, integer({ min: 1, max: 1_000_000, unit: 'spans' })),
    effect:
      'Most spans that wait to be sent; further ones are dropped, so that a collector that is down does not cost ' +
      'more memory.',
  },
  OTEL_BSP_SCHEDULE_DELAY: {
    ...withDefault(5_000, integer({ min: 10, max: 600_000, unit: 'milliseconds' })),
    effect: 'Interval at which spans are sent.',
  },
  OTEL_SDK_DISABLED: {
    ...withDefault('false', choice('true', 'false')),
    effect: 'true turns traces off, whatever else is set.',
  },
};
