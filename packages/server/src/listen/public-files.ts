// Serves the client and the service worker for web pages under /public, from the files that the build puts into this
// package. The relay reads, hashes and compresses them once, at start.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, gzipSync } from 'node:zlib';
import { PUBLIC_MAX_AGE_SECONDS } from '../limits/fixed.ts';

const FOLDER = new URL('../../public/', import.meta.url);
const PATH_PREFIX = '/public/';

/** The notices that licences of parts of the scripts require. */
const LICENSES = 'mte-relay-licenses.txt';

/** Cache-Control of each file. no-transform: a changed byte would break its integrity hash. */
const CACHE_CONTROL: Readonly<Record<string, string>> = {
  'mte-relay-client.js': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  'mte-relay-client.mjs': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  // Each registration revalidates it, so that a worker is never older than the relay.
  'mte-relay-sw.js': 'public, no-cache, no-transform',
  [LICENSES]: `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
};

interface PublicFile {
  readonly integrity: string;
  readonly plain: Variant;
  readonly gzip: Variant;
}

/** One content coding of a file. */
interface Variant {
  readonly body: Buffer;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** The files of one relay, by path. */
export class PublicFiles {
  readonly #files: ReadonlyMap<string, PublicFile>;

  /**
   * @param serve false for no files.
   * @throws Error if this package does not contain the files.
   */
  constructor(serve: boolean) {
    const names = serve ? Object.keys(CACHE_CONTROL) : [];
    this.#files = new Map(names.map((name) => [PATH_PREFIX + name, readPublicFile(name)]));
  }

  /** Subresource Integrity values of the scripts by path: `sha384-` and base64 (W3C SRI §3.1). */
  get integrity(): Record<string, string> {
    const scripts = [...this.#files].filter(([path]) => path !== PATH_PREFIX + LICENSES);
    return Object.fromEntries(scripts.map(([path, { integrity }]) => [path, integrity]));
  }

  /** True for the path of a file. */
  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Responds to GET or HEAD for the path of a file. */
  respond(path: string, req: IncomingMessage, res: ServerResponse): void {
    const file = this.#files.get(path) as PublicFile;
    const { body, fields } = acceptsGzip(req.headers['accept-encoding']) ? file.gzip : file.plain;
    for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
    if (isFresh(req.headers['if-none-match'], String(fields['etag']))) {
      res.writeHead(304).end();
      return;
    }
    res.writeHead(200, { 'content-length': body.length });
    res.end(req.method === 'HEAD' ? undefined : body);
  }
}

function readPublicFile(name: string): PublicFile {
  const body = readBuilt(name);
  const digest = createHash('sha384').update(body).digest('base64');
  const fields = {
    'content-type': `text/${name === LICENSES ? 'plain' : 'javascript'}; charset=utf-8`,
    'cache-control': CACHE_CONTROL[name] as string,
    vary: 'Accept-Encoding',
    'x-content-type-options': 'nosniff',
    // Any page may load the file, and a script tag with an integrity hash requires CORS. The file is not secret; what a
    // page may then do with the relay is decided by CORS_ORIGINS.
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    // Lets a worker control the whole site although its script is in a folder (Service Workers §6.3).
    ...(name === 'mte-relay-sw.js' && { 'service-worker-allowed': '/' }),
  };
  return {
    integrity: `sha384-${digest}`,
    plain: { body, fields: { ...fields, etag: `"${digest}"` } },
    gzip: {
      body: gzipSync(body, { level: constants.Z_BEST_COMPRESSION }),
      fields: { ...fields, etag: `"${digest}-gzip"`, 'content-encoding': 'gzip' },
    },
  };
}

function readBuilt(name: string): Buffer {
  try {
    return readFileSync(new URL(name, FOLDER));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`cannot read public/${name} (${code}): \`npm run build\` makes it`, { cause });
  }
}

/** True if gzip is named or covered by "*", with a weight above 0 (RFC 9110 §12.5.3). */
function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const item of `${acceptEncoding ?? ''}`.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(coding, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}

/** True if an entity tag matches, by weak comparison (RFC 9110 §13.1.2). */
function isFresh(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((item) => ['*', etag].includes(item.trim().replace(/^W\//, '')));
}
