// The options of `mte-relay doctor`.
import { parseArgs } from 'node:util';
import { PIN } from '@mte-relay/protocol';
import { UsageError } from '../exit.ts';

const TIMEOUT_SECONDS_DEFAULT = 60;
const TIMEOUT_SECONDS_MAX = 600;
const CALLS_DEFAULT = 20;
const CALLS_MAX = 1000;
const UPLOAD_MB_DEFAULT = 10;
/** After an early response, a relay discards at most this much of the request. */
const UPLOAD_MB_MAX = 60;
const ADMIN_PORT_DEFAULT = 9090;
const METHODS = ['HEAD', 'GET', 'OPTIONS'];

export const DOCTOR_HELP: string = `mte-relay doctor URL [options]

Tests a deployment from outside, step by step, and reports what is wrong and what to do. The upstream gets a request only
with --path or --stream, and these paths are always sent sealed.

      --pin PIN          the key that the relay must show (sha256-...); may be repeated
      --path PATH        sends one sealed request for this path to the upstream
      --method METHOD    of that request: ${METHODS.join(', ')}; default HEAD
      --stream PATH      reads this event stream of the upstream, sealed, and reports whether it arrives as it is sent
      --origin ORIGIN    a page's origin in CORS_ORIGINS, e.g. https://app.example.com
      --calls N          number of sealed calls to time; default ${CALLS_DEFAULT}
      --upload-mb N      size of the largest test upload, in MB; default ${UPLOAD_MB_DEFAULT}, at most ${UPLOAD_MB_MAX}; 0 skips uploads
      --ca FILE          certificate authorities to trust besides the system's, in PEM
      --admin-port N     the port that must be closed to the outside; default ${ADMIN_PORT_DEFAULT}
      --http-port N      the port of plain HTTP beside https; default 80
      --timeout SECONDS  of the whole test; default ${TIMEOUT_SECONDS_DEFAULT}
      --json             one JSON object instead of lines
      --help             this text

Exit codes: 0 all checks passed; 2 warnings; 3 a check failed; 7 unreachable; 60 the relay shows another key; 64 wrong
usage.
`;

export interface DoctorOptions {
  /** The relay's origin, without a path. */
  readonly url: URL;
  readonly pins: readonly string[];
  readonly path: string | undefined;
  readonly method: string;
  readonly streamPath: string | undefined;
  readonly origin: string | undefined;
  readonly calls: number;
  readonly uploadMaxBytes: number;
  readonly caFile: string | undefined;
  readonly adminPort: number;
  /** True with --admin-port. The port is then checked on this machine too. */
  readonly adminPortGiven: boolean;
  readonly httpPort: number;
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** Undefined for --help. Throws UsageError. */
export function doctorOptions(args: readonly string[]): DoctorOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [target, ...more] = positionals;
  if (target === undefined) throw usage('URL is missing');
  if (more.length > 0) throw usage(`one URL expected, also got "${more.join('", "')}"`);
  const method = values.method ?? 'HEAD';
  if (!METHODS.includes(method)) throw usage(`method expected one of ${METHODS.join(', ')}, got "${method}"`);
  return {
    url: relayUrl(target),
    pins: (values.pin ?? []).map(checkedPin),
    path: pathOf('path', values.path),
    method,
    streamPath: pathOf('stream', values.stream),
    origin: values.origin === undefined ? undefined : originOf(values.origin),
    calls: numberOf('calls', values.calls, CALLS_DEFAULT, 1, CALLS_MAX),
    uploadMaxBytes: numberOf('upload-mb', values['upload-mb'], UPLOAD_MB_DEFAULT, 0, UPLOAD_MB_MAX) * 1_000_000,
    caFile: values.ca,
    adminPort: numberOf('admin-port', values['admin-port'], ADMIN_PORT_DEFAULT, 1, 65_535),
    adminPortGiven: values['admin-port'] !== undefined,
    httpPort: numberOf('http-port', values['http-port'], 80, 1, 65_535),
    timeoutMs: numberOf('timeout', values.timeout, TIMEOUT_SECONDS_DEFAULT, 1, TIMEOUT_SECONDS_MAX) * 1000,
    json: values.json ?? false,
  };
}

// Its type is derived from the table of options.
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        pin: { type: 'string', multiple: true },
        path: { type: 'string' },
        method: { type: 'string' },
        stream: { type: 'string' },
        origin: { type: 'string' },
        calls: { type: 'string' },
        'upload-mb': { type: 'string' },
        ca: { type: 'string' },
        'admin-port': { type: 'string' },
        'http-port': { type: 'string' },
        timeout: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage((error as Error).message, error);
  }
}

function relayUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.href.includes('@')) {
    throw usage(`relay URL expected https://host[:port], got "${text.replace(/\/\/.*@/, '//')}"`);
  }
  return url;
}

function checkedPin(text: string): string {
  if (!PIN.test(text)) throw usage(`pin expected sha256- and 44 characters, got "${text}"`);
  return text;
}

function pathOf(name: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^\/[\x21-\x7e]*$/.test(text)) throw usage(`${name} expected /..., got "${text}"`);
  return text;
}

function originOf(text: string): string {
  const url = URL.parse(text);
  if (!url || url.origin !== text) throw usage(`origin expected scheme://host[:port], got "${text}"`);
  return text;
}

function numberOf(name: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw usage(`${name} expected ${least} to ${most}, got "${text}"`);
}

function usage(message: string, cause?: unknown): UsageError {
  return new UsageError(message, DOCTOR_HELP, { cause });
}
