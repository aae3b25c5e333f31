// Serves the client, the service worker and its installer for web pages under /public, from the files that the build puts
// into this package. The relay reads, hashes and compresses them once, at start: the worker for each domain that asks for
// it, with the domain's pins and routes in its first line.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, gzipSync } from 'node:zlib';
import { workerConfigurationLine } from '@mte-relay/protocol';
import type { Domain } from '../domain.ts';
import { PUBLIC_MAX_AGE_SECONDS } from '../limits/fixed.ts';

const FOLDER = new URL('../../public/', import.meta.url);
const PATH_PREFIX = '/public/';

/** The notices that licences of parts of the scripts require. */
const LICENSES = 'mte-relay-licenses.txt';
const WORKER = 'mte-relay-sw.js';
const WORKER_PATH: string = PATH_PREFIX + WORKER;

/** Cache-Control of each file. no-transform: a changed byte would break its integrity hash. */
const CACHE_CONTROL: Readonly<Record<string, string>> = {
  'mte-relay-client.js': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  'mte-relay-client.mjs': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  'mte-relay-install.js': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  'mte-relay-install.mjs': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
  // Each registration revalidates it, so that a worker is never older than the relay.
  [WORKER]: 'public, no-cache, no-transform',
  [LICENSES]: `public, max-age=${PUBLIC_MAX_AGE_SECONDS}, no-transform`,
};

/** A file in each content coding. */
export interface PublicFile {
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
  /** By the domain's name. */
  readonly #workers: ReadonlyMap<string, PublicFile>;

  /**
   * @param domains those that may have WORKER_ROUTES; undefined for no files.
   * @throws Error if this package does not contain the files.
   */
  constructor(domains: Iterable<Pick<Domain, 'name' | 'pins' | 'settings'>> | undefined) {
    const names = domains ? Object.keys(CACHE_CONTROL).filter((name) => name !== WORKER) : [];
    this.#files = new Map(names.map((name) => [PATH_PREFIX + name, makePublicFile(name, readBuilt(name))]));
    const served = [...(domains ?? [])].filter(({ settings }) => settings.WORKER_ROUTES.length > 0);
    const script = served.length > 0 ? readBuilt(WORKER) : Buffer.alloc(0);
    this.#workers = new Map(
      served.map(({ name, pins, settings }) => {
        // A browser takes a worker from the page's own origin alone, so the relay that serves it is at that origin.
        const line = workerConfigurationLine({ relay: 'self', pins, routes: settings.WORKER_ROUTES });
        return [name, makePublicFile(WORKER, Buffer.concat([Buffer.from(line), script]))];
      }),
    );
  }

  /**
   * Subresource Integrity values of the scripts for script tags by path: `sha384-` and base64 (W3C SRI §3.1). Browsers
   * check none for a service worker.
   */
  get integrity(): Record<string, string> {
    const scripts = [...this.#files].filter(([path]) => path !== PATH_PREFIX + LICENSES);
    return Object.fromEntries(scripts.map(([path, { integrity }]) => [path, integrity]));
  }

  /** The file of this path in this domain. */
  find(path: string, domain: Domain | undefined): PublicFile | undefined {
    return path === WORKER_PATH && domain ? this.#workers.get(domain.name) : this.#files.get(path);
  }

  /** Responds to GET or HEAD for a file. */
  respond(file: PublicFile, req: IncomingMessage, res: ServerResponse): void {
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

function makePublicFile(name: string, body: Buffer): PublicFile {
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
    ...(name === WORKER && { 'service-worker-allowed': '/' }),
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
