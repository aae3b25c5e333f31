// The options of `mte-relay egress`, by flag or environment variable. A flag takes precedence.
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { UsageError } from '../exit.ts';
import type { AllowedCallers } from './callers.ts';
import { LOG_LEVELS, type LogLevel } from './log.ts';

const LISTEN_DEFAULT = '127.0.0.1:8081';
/** A session allows 512 requests without a response. As many again may wait, or stream their responses. */
const MAX_CONCURRENT_DEFAULT = 1024;
const MAX_CONCURRENT_LIMIT = 65_536;

export const EGRESS_HELP: string = `mte-relay egress --relay URL [options]

Listens on a plain HTTP port of this machine and sends every request sealed through the relay.

  --relay URL            the relay's origin                            (MTE_RELAY_URL)
  --pin PIN              trusts this key of the relay (sha256-...);    (MTE_RELAY_PINS, comma-separated)
                         may be repeated
  --listen HOST:PORT     default ${LISTEN_DEFAULT}; port 0 takes any    (MTE_RELAY_LISTEN)
  --allow-host NAME      also responds to this name in Host, with or   (MTE_RELAY_ALLOW_HOSTS, comma-separated)
                         without :PORT; may be repeated
  --allow-origin ORIGIN  also responds to pages of this origin;        (MTE_RELAY_ALLOW_ORIGINS, comma-separated)
                         may be repeated
  --max-concurrent N     concurrent requests; others get a 503;        (MTE_RELAY_MAX_CONCURRENT)
                         default ${MAX_CONCURRENT_DEFAULT}
  --log-level LEVEL      ${LOG_LEVELS.join(', ')};    (MTE_RELAY_LOG_LEVEL)
                         default info; JSON lines on standard error
  --help                 this text

Prints "ready http://HOST:PORT" once the relay has proved its key. On SIGTERM or SIGINT, pending requests may finish within
10 seconds.
`;

export interface EgressOptions {
  readonly relay: string;
  readonly pins: readonly string[];
  readonly listen: ListenAddress;
  readonly allowed: AllowedCallers;
  readonly maxConcurrent: number;
  readonly logLevel: LogLevel;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined for --help. Throws UsageError. */
export function egressOptions(args: readonly string[], environment: Environment): EgressOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const relay = values.relay ?? set(environment, 'MTE_RELAY_URL');
  if (relay === undefined) throw usage('--relay is missing');
  return {
    relay,
    pins: values.pin ?? listOf(set(environment, 'MTE_RELAY_PINS')),
    listen: addressOf(values.listen ?? set(environment, 'MTE_RELAY_LISTEN') ?? LISTEN_DEFAULT),
    allowed: {
      hosts: (values['allow-host'] ?? listOf(set(environment, 'MTE_RELAY_ALLOW_HOSTS'))).map(hostOf),
      origins: (values['allow-origin'] ?? listOf(set(environment, 'MTE_RELAY_ALLOW_ORIGINS'))).map(originOf),
    },
    maxConcurrent: countOf(values['max-concurrent'] ?? set(environment, 'MTE_RELAY_MAX_CONCURRENT')),
    logLevel: levelOf(values['log-level'] ?? set(environment, 'MTE_RELAY_LOG_LEVEL') ?? 'info'),
  };
}

/** True when only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

// Its type is derived from the table of options.
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        relay: { type: 'string' },
        pin: { type: 'string', multiple: true },
        listen: { type: 'string' },
        'allow-host': { type: 'string', multiple: true },
        'allow-origin': { type: 'string', multiple: true },
        'max-concurrent': { type: 'string' },
        'log-level': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw usage((error as Error).message, error);
  }
}

/** An empty variable counts as unset, because orchestrators set unused ones to an empty string. */
function set(environment: Environment, name: string): string | undefined {
  return environment[name] === '' ? undefined : environment[name];
}

function listOf(text: string | undefined): string[] {
  return (text ?? '').split(/[\s,]+/).filter((item) => item !== '');
}

function addressOf(text: string): ListenAddress {
  const [, host, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)?.filter((part) => part !== undefined) ?? [];
  if (host === undefined || Number(port) > 65_535) throw usage(`listen expected HOST:PORT, got "${text}"`);
  return { host, port: Number(port) };
}

/** A name with or without a port, as URLs have it. */
function hostOf(text: string): string {
  const [, name, port] = /^(\[[\da-f:]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  if (name === undefined || !URL.canParse(`http://${text}`))
    throw usage(`allow-host expected NAME or NAME:PORT, got "${text}"`);
  const { hostname } = new URL(`http://${name}`);
  return port === undefined ? hostname : `${hostname}:${Number(port)}`;
}

function originOf(text: string): string {
  if (URL.canParse(text) && new URL(text).origin === text) return text;
  throw usage(`allow-origin expected an origin such as http://localhost:3000, got "${text}"`);
}

function countOf(text: string | undefined): number {
  if (text === undefined) return MAX_CONCURRENT_DEFAULT;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_CONCURRENT_LIMIT) return count;
  throw usage(`max-concurrent expected 1 to ${MAX_CONCURRENT_LIMIT}, got "${text}"`);
}

function levelOf(text: string): LogLevel {
  const level = LOG_LEVELS.find((candidate) => candidate === text);
  if (level === undefined) throw usage(`log-level expected one of ${LOG_LEVELS.join(', ')}, got "${text}"`);
  return level;
}

function usage(message: string, cause?: unknown): UsageError {
  return new UsageError(message, EGRESS_HELP, { cause });
}
