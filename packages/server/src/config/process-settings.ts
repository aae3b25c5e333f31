// Settings of the process: each variable, what it accepts, its default and what it does. Parsing, masking and
// documentation read from this table.
import { isIP } from 'node:net';
import * as z from 'zod';
import { isAddressRange } from '../http/forwarding.ts';
import { parseRedisUrl, REDIS_URL_EXPECTED } from '../sessions/redis-url.ts';
import { certificates, httpUrl, integer, list, PAIRS_EXPECTED, pairs } from './parsers.ts';
import { LOG_LEVELS, type ProcessSettings, type SettingTable, TRACES_SAMPLERS } from './settings.ts';

export const PROCESS_SETTINGS: SettingTable<ProcessSettings> = {
  PORT: {
    schema: integer(8080, 0, 65_535),
    expected: 'a port number from 0 (any free port) to 65535',
    effect: 'Port that the relay listens on.',
  },
  ADMIN_PORT: {
    schema: z
      .string()
      .default('auto')
      .refine((text) => text === 'auto' || text === 'off' || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535))
      .transform((text) => (text === 'auto' || text === 'off' ? text : Number(text))),
    expected: 'a port number from 0 (any free port) to 65535, auto, or off',
    effect:
      'Port of /livez, /readyz and /metrics, which the public port never serves. auto: 9090, or any free port when ' +
      'PORT is 0.',
  },
  ADMIN_HOST: {
    schema: z
      .string()
      .default('::')
      .refine((text) => isIP(text) !== 0 || text === 'localhost'),
    expected: 'an IP address of this machine, or localhost',
    effect:
      'Address that ADMIN_PORT is opened on. The default is every one, because probes and Prometheus come to the ' +
      'address of the pod; what it serves are counts and no traffic.',
  },
  TRUSTED_PROXIES: {
    schema: z
      .string()
      .default('')
      .transform(list)
      .pipe(z.array(z.string().refine(isAddressRange))),
    expected: 'comma-separated addresses and CIDR ranges, such as 10.0.0.0/8',
    effect: 'Proxies in front of the relay whose X-Forwarded-For, -Proto and -Host are believed.',
  },
  PUBLIC_FILES: {
    schema: z.enum(['on', 'off']).default('on'),
    expected: 'one of on, off',
    effect:
      'Whether the relay serves its client to web pages: /public/mte-relay-client.js, /public/mte-relay-client.mjs, ' +
      '/public/mte-relay-sw.js and, for licences, /public/mte-relay-licenses.txt. Other paths under /public are never its own.',
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
    effect: 'Sessions held at once in memory; a pairing beyond that is refused with 503. Without REDIS_URL only.',
  },
  REDIS_URL: {
    schema: z
      .string()
      .transform(parseRedisUrl)
      .refine((target) => target !== undefined)
      .optional(),
    expected: REDIS_URL_EXPECTED,
    effect:
      'Where sessions are kept, so that any number of relays with one identity serve them; without it, in memory. ' +
      'Redis 6.2 or later, or Valkey.',
    secret: true,
  },
  REDIS_CA: {
    schema: certificates.optional(),
    expected: 'certificates in PEM',
    effect: 'Certificate authorities that a rediss server is checked against, instead of the public ones.',
  },
  REDIS_KEY_PREFIX: {
    schema: z
      .string()
      .regex(/^[\x21-\x7a|~]{1,64}$/)
      .default('mte-relay:'),
    expected: '1 to 64 visible ASCII characters without braces',
    effect: 'What every key in Redis begins with. Relays of different identities need different ones.',
  },
  REDIS_TIMEOUT_MS: {
    schema: integer(1_000, 50, 60_000),
    expected: 'milliseconds from 50 to 60000',
    effect: 'How long Redis may take to connect or to answer; an exchange that waits longer is refused with 503.',
  },
  REDIS_SESSIONS_CACHED_MAX: {
    schema: integer(10_000, 1, 10_000_000),
    expected: 'a number of sessions from 1',
    effect:
      'Sessions from Redis whose secrets this relay keeps at hand, for a minute at most. Claims are never cached.',
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
  PAIRINGS_PER_MINUTE: {
    schema: integer(600, 1, 1_000_000),
    expected: 'a number of pairings from 1 to 1000000',
    effect:
      'Pairings that one client address (an IPv6 /64) may begin per minute in the long run; one beyond that is refused ' +
      'with 429. Behind a proxy or load balancer set TRUSTED_PROXIES, or all clients count as one.',
  },
  PAIRINGS_BURST: {
    schema: integer(300, 1, 1_000_000),
    expected: 'a number of pairings from 1 to 1000000',
    effect: 'Pairings that one client address may begin at once before PAIRINGS_PER_MINUTE applies.',
  },
  PAIRINGS_CONCURRENT_MAX: {
    schema: integer(1_000, 1, 1_000_000),
    expected: 'a number of pairings from 1 to 1000000',
    effect: 'Pairings under way at once; one beyond that is refused with 503.',
  },
  CONNECTIONS_MAX: {
    schema: integer(20_000, 1, 10_000_000),
    expected: 'a number of connections from 1 to 10000000',
    effect: 'Connections of clients open at once; one beyond that is closed as soon as it opens.',
  },
  OUTER_HEAD_MAX_BYTES: {
    schema: integer(32_768, 1_024, 1_048_576),
    expected: 'a number of bytes from 1024 to 1048576',
    effect: 'Largest request line and header fields on the outer hop; larger ones are refused with 431.',
  },
  OUTER_FIELDS_MAX: {
    schema: integer(256, 8, 10_000),
    expected: 'a number of header fields from 8 to 10000',
    effect: 'Most header fields on the outer hop; a request with more is refused with 431.',
  },
  CLIENT_HEAD_TIMEOUT_MS: {
    schema: integer(30_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect: 'How long a request line and its header fields may take to arrive; then 408.',
  },
  KEEP_ALIVE_TIMEOUT_MS: {
    schema: integer(75_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect:
      'How long a connection stays open without a request. Longer than the idle time of the load balancer in front, ' +
      'so that it closes first and no request meets a closing connection.',
  },
  CLIENT_IDLE_TIMEOUT_MS: {
    schema: integer(60_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect:
      'How long a client may send nothing while its request is incomplete (then 408), take nothing while an answer ' +
      'waits for it (then its connection is broken off), and need until the first chunk of a message, or a pairing ' +
      'request, is here whole (then 408).',
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
  WEBSOCKETS_MAX: {
    schema: integer(10_000, 0, 1_000_000),
    expected: 'a number of WebSockets from 0',
    effect: 'WebSockets open at once, sealed and passed through; one beyond that is refused with 503.',
  },
  WEBSOCKET_MESSAGE_MAX_BYTES: {
    schema: integer(16_777_216, 1, 1_073_741_824),
    expected: 'a number of bytes from 1 to 1073741824',
    effect:
      'Largest message of a sealed WebSocket, either way; a larger one closes it with 1009. The client takes up to 64 MiB.',
  },
  WEBSOCKET_FRAGMENTS_MAX: {
    schema: integer(16_384, 1, 1_000_000),
    expected: 'a number of pieces from 1 to 1000000',
    effect: 'Pieces that one message of a sealed WebSocket may come in, either way; more close it with 1009.',
  },
  WEBSOCKET_IDLE_TIMEOUT_MS: {
    schema: integer(120_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect:
      'How long a WebSocket may be without a sign of life. The relay pings sealed clients after half of it, and a ' +
      'pong is a sign; one that is passed through must carry bytes.',
  },
  WEBSOCKET_LIFETIME_MS: {
    schema: integer(3_600_000, 100, 86_400_000),
    expected: 'milliseconds from 100 to 86400000',
    effect: 'How long a sealed WebSocket may stay open under its keys; it is then closed with 1001.',
  },
  DRAIN_DELAY_MS: {
    schema: integer(5_000, 0, 600_000),
    expected: 'milliseconds from 0 to 600000',
    effect:
      'How long the relay goes on serving after SIGTERM, no longer ready and closing each connection with its next ' +
      'answer, so that load balancers notice before it stops accepting.',
  },
  SHUTDOWN_TIMEOUT_MS: {
    schema: integer(25_000, 0, 600_000),
    expected: 'milliseconds from 0 to 600000',
    effect: 'How long exchanges under way may take to finish once DRAIN_DELAY_MS is over.',
  },
  LOG_MODULE: {
    schema: z.string().optional(),
    expected: 'the path or package of a pino transport',
    effect: 'Where log lines go instead of standard output. Flag --log.',
  },
  SESSIONS_MODULE: {
    schema: z.string().optional(),
    expected: 'the path or package of an ES module that makes a session store',
    effect: 'Where sessions are kept, instead of memory or Redis. Flag --sessions.',
  },
  STARTUP_MODULE: {
    schema: z.string().optional(),
    expected: 'the path or package of an ES module that exports a function',
    effect: 'Run before the relay listens; the relay ends when it fails. Flag --startup.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    schema: httpUrl,
    expected: 'an absolute http or https URL',
    effect:
      'Where traces are sent by OTLP over HTTP, as protobuf; /v1/traces is added. Without it, and without the next, there ' +
      'are no traces, and what makes and sends them is not loaded.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    schema: httpUrl,
    expected: 'an absolute http or https URL',
    effect: 'The same for traces alone, used as it is.',
  },
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    schema: z.literal('http/protobuf').default('http/protobuf'),
    expected: 'http/protobuf, which is what the relay speaks',
    effect: 'How traces are sent. A collector takes it on port 4318; 4317 is for gRPC.',
  },
  OTEL_TRACES_EXPORTER: {
    schema: z.enum(['otlp', 'none']).default('otlp'),
    expected: 'otlp or none',
    effect: 'none: no traces, whatever else is set.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    schema: pairs,
    expected: PAIRS_EXPECTED,
    effect: 'Header fields sent with traces, such as the key of a collector.',
    secret: true,
  },
  OTEL_EXPORTER_OTLP_TIMEOUT: {
    schema: integer(10_000, 100, 600_000),
    expected: 'milliseconds from 100 to 600000',
    effect: 'How long the collector may take for one batch; what it has not taken then is dropped.',
  },
  OTEL_SERVICE_NAME: {
    schema: z.string().default('mte-relay'),
    expected: 'a name',
    effect: 'What traces call this relay.',
  },
  OTEL_RESOURCE_ATTRIBUTES: {
    schema: pairs,
    expected: PAIRS_EXPECTED,
    effect: 'What traces say of where it runs, such as k8s.pod.name.',
  },
  OTEL_TRACES_SAMPLER: {
    schema: z.enum(TRACES_SAMPLERS).default('parentbased_always_on'),
    expected: `one of ${TRACES_SAMPLERS.join(', ')}`,
    effect: 'Which exchanges are traced. parentbased: as the trace says that the request belongs to, if it does.',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    schema: z
      .string()
      .default('1')
      .refine((text) => /^(?:0|1|0?\.\d{1,9}|1\.0{1,9})$/.test(text))
      .transform(Number),
    expected: 'a number from 0 to 1',
    effect: 'The share of traces that traceidratio takes.',
  },
  OTEL_BSP_MAX_QUEUE_SIZE: {
    schema: integer(2_048, 1, 1_000_000),
    expected: 'a number of spans from 1 to 1000000',
    effect: 'Spans that wait to be sent; more are dropped, so that a collector that is down costs no more memory.',
  },
  OTEL_BSP_SCHEDULE_DELAY: {
    schema: integer(5_000, 10, 600_000),
    expected: 'milliseconds from 10 to 600000',
    effect: 'How often spans are sent.',
  },
  OTEL_SDK_DISABLED: {
    schema: z.enum(['true', 'false']).default('false'),
    expected: 'true or false',
    effect: 'true: no traces, whatever else is set.',
  },
};
