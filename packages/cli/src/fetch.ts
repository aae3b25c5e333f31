// `mte-relay fetch`: a curl that seals. Options, request, response, in that order.
import { createWriteStream, openAsBlob } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createRelayClient, type RelayRequestInit } from '@mte-relay/client';
import { EXIT_HTTP_ERROR, UsageError } from './exit.ts';

export const FETCH_HELP = `mte-relay fetch [options] URL

  -X, --request METHOD   method; default GET, or POST with -d
  -H, --header 'N: V'    adds a request field; may be repeated
  -d, --data DATA        body; @FILE sends a file, @- standard input; repeated ones are joined with &
  -o, --output FILE      writes the body there instead of to standard output
  -i, --include          writes status and fields before the body
  -L, --location         follows redirects of the relay's origin
      --fail             with status 400 or more: no body, exit code 22
      --pin PIN          trusts this key of the relay (sha256-...); may be repeated
      --relay URL        the relay, if URL is only a path; default: URL's origin
      --help             this text
`;

interface FetchOptions {
  readonly url: URL;
  readonly relay: string;
  readonly pins: readonly string[];
  readonly init: RelayRequestInit;
  readonly outputFile: string | undefined;
  readonly include: boolean;
  readonly fail: boolean;
}

/** Runs the subcommand; resolves with the exit code. */
export async function runFetch(args: readonly string[]): Promise<number> {
  const options = await fetchOptions(args);
  if (!options) {
    process.stdout.write(FETCH_HELP);
    return 0;
  }
  const client = createRelayClient(options.relay, { pins: options.pins });
  try {
    const response = await client.fetch(options.url, options.init);
    if (options.fail && response.status >= 400) {
      await response.body?.cancel();
      process.stderr.write(`mte-relay: ${options.url.href} responded ${response.status}\n`);
      return EXIT_HTTP_ERROR;
    }
    await writeResponse(response, options);
    return 0;
  } finally {
    client.close();
  }
}

/** Undefined for --help. */
async function fetchOptions(args: readonly string[]): Promise<FetchOptions | undefined> {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [target, ...more] = positionals;
  if (target === undefined) throw new UsageError('URL is missing', FETCH_HELP);
  if (more.length > 0) throw new UsageError(`one URL expected, also got "${more.join('", "')}"`, FETCH_HELP);
  const url = URL.parse(target, values.relay);
  if (!url) throw new UsageError(`"${target}" is not a URL`, FETCH_HELP);
  return {
    url,
    relay: values.relay ?? url.origin,
    pins: values.pin ?? [],
    init: await requestInit(values),
    outputFile: values.output,
    include: values.include ?? false,
    fail: values.fail ?? false,
  };
}

type Values = ReturnType<typeof parse>['values'];

// Its type is derived from the table of options.
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        request: { type: 'string', short: 'X' },
        header: { type: 'string', short: 'H', multiple: true },
        data: { type: 'string', short: 'd', multiple: true },
        output: { type: 'string', short: 'o' },
        include: { type: 'boolean', short: 'i' },
        location: { type: 'boolean', short: 'L' },
        fail: { type: 'boolean', short: 'f' },
        pin: { type: 'string', multiple: true },
        relay: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, FETCH_HELP, { cause: error });
  }
}

async function requestInit(values: Values): Promise<RelayRequestInit> {
  const headers = headersOf(values.header ?? []);
  const init: RelayRequestInit = {
    method: values.request ?? (values.data ? 'POST' : 'GET'),
    headers,
    redirect: values.location ? 'follow' : 'manual',
  };
  if (!values.data) return init;
  if (!headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded');
  return { ...init, body: await bodyOf(values.data), duplex: 'half' };
}

function headersOf(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new UsageError(`header "${line}" expected 'name: value'`, FETCH_HELP);
    try {
      headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    } catch (cause) {
      throw new UsageError(`header "${line}" has a character that is not allowed`, FETCH_HELP, { cause });
    }
  }
  return headers;
}

type Body = NonNullable<RelayRequestInit['body']>;

/** A file becomes a Blob, which can be resent. Standard input cannot be resent. */
async function bodyOf(data: readonly string[]): Promise<Body> {
  if (data.length === 1 && data[0] === '@-') return Readable.toWeb(process.stdin) as Body;
  if (data.length === 1 && data[0]?.startsWith('@')) {
    try {
      return await openAsBlob(data[0].slice(1));
    } catch (error) {
      throw new UsageError((error as Error).message, FETCH_HELP, { cause: error });
    }
  }
  return data.join('&');
}

async function writeResponse(response: Response, options: FetchOptions): Promise<void> {
  const { outputFile, include } = options;
  const target: Writable = outputFile === undefined ? process.stdout : createWriteStream(outputFile);
  if (include) target.write(headText(response));
  const body = response.body
    ? Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    : Readable.from([]);
  // Standard output stays open for later output of the process.
  await pipeline(body, target, { end: outputFile !== undefined });
}

function headText(response: Response): string {
  const lines = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`.trim()];
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
