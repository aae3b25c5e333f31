// The sample API: what a customer would have. It speaks plain HTTP and knows nothing of the relay in front of it.

import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, unlink } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const JSON_MAX_BYTES = 65_536;
const UPLOAD_MAX_BYTES = 256 * 1024 * 1024;
const FILES_KEPT = 10;
const NOTES_KEPT = 100;
const SESSIONS_KEPT = 1000;
const EVENT_INTERVAL_MS = 1000;
/** A refusal in the middle of a body still needs its response on the same connection. */
const KEEP_OPEN = { destroyOnReturn: false };
const FILE_NAME = /^[\w-][\w .()-]{0,99}$/;

/** The one account. */
const ACCOUNT = { user: 'demo', password: 'only-the-backend-reads-this' };

interface Note {
  readonly id: string;
  readonly text: string;
  readonly createdAt: string;
}

interface StoredFile {
  readonly name: string;
  readonly path: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface SampleApi {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Removes the uploaded files. */
  close(): Promise<void>;
}

/** A response other than success; `send` turns it into an RFC 9457 problem. */
class Problem extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

type Handler = (req: IncomingMessage, res: ServerResponse, name: string) => Promise<void> | void;

export async function createSampleApi(): Promise<SampleApi> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'));
  const sessions = new Map<string, string>();
  const notes: Note[] = [
    note('Call the customer back about the contract'),
    note('Refund of 1,250.00 to account 4471-0032'),
  ];
  const files = new Map<string, StoredFile>();

  const routes: Record<string, Record<string, Handler>> = {
    '/login': { POST: login },
    '/logout': { POST: logout },
    '/whoami': { GET: (req, res) => json(res, 200, { user: userOf(req) }) },
    '/notes': { GET: listNotes, POST: addNote },
    '/notes/': { GET: getNote },
    '/files/': { POST: upload, GET: download },
    '/events': { GET: events },
  };

  async function login(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { user, password } = await readJson(req);
    if (!same(user, ACCOUNT.user) || !same(password, ACCOUNT.password))
      throw new Problem(401, 'wrong user or password');
    const id = randomBytes(24).toString('base64url');
    sessions.set(id, ACCOUNT.user);
    dropOldest(sessions, SESSIONS_KEPT);
    res.setHeader('set-cookie', `session=${id}; Path=/; HttpOnly; SameSite=Lax`);
    json(res, 200, { user: ACCOUNT.user });
  }

  function logout(req: IncomingMessage, res: ServerResponse): void {
    sessions.delete(sessionId(req));
    res.setHeader('set-cookie', 'session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0');
    json(res, 200, { user: null });
  }

  function userOf(req: IncomingMessage): string {
    const user = sessions.get(sessionId(req));
    if (user === undefined) throw new Problem(401, 'log in first');
    return user;
  }

  function listNotes(req: IncomingMessage, res: ServerResponse): void {
    userOf(req);
    json(res, 200, notes);
  }

  async function addNote(req: IncomingMessage, res: ServerResponse): Promise<void> {
    userOf(req);
    const { text } = await readJson(req);
    if (typeof text !== 'string' || text.length === 0 || text.length > 2000) {
      throw new Problem(400, '"text" must be a string of 1 to 2000 characters');
    }
    const added = note(text);
    notes.push(added);
    if (notes.length > NOTES_KEPT) notes.shift();
    res.setHeader('location', `/notes/${added.id}`);
    json(res, 201, added);
  }

  function getNote(req: IncomingMessage, res: ServerResponse, id: string): void {
    userOf(req);
    const found = notes.find((candidate) => candidate.id === id);
    if (!found) throw new Problem(404, 'no such note');
    json(res, 200, found);
  }

  async function upload(req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
    if (!FILE_NAME.test(name)) throw new Problem(400, 'a file name has 1 to 100 letters, digits, or " ._()-"');
    if (Number(req.headers['content-length'] ?? 0) > UPLOAD_MAX_BYTES) throw tooLarge();
    const path = join(folder, randomUUID());
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done): void {
        sizeBytes += chunk.length;
        hash.update(chunk);
        if (sizeBytes > UPLOAD_MAX_BYTES) done(tooLarge());
        else done(null, chunk);
      },
    });
    try {
      await pipeline(req.iterator(KEEP_OPEN), measure, createWriteStream(path));
    } catch (error) {
      await unlink(path).catch(() => undefined);
      throw error;
    }
    const contentType = req.headers['content-type'] ?? 'application/octet-stream';
    const stored: StoredFile = { name, path, contentType, sizeBytes, sha256: hash.digest('hex') };
    const replaced = files.get(name);
    files.delete(name);
    files.set(name, stored);
    for (const old of [replaced, ...dropOldest(files, FILES_KEPT)]) if (old) await unlink(old.path);
    res.setHeader('location', `/files/${encodeURIComponent(name)}`);
    json(res, 201, { name, size: sizeBytes, sha256: stored.sha256 });
  }

  async function download(_req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
    const file = files.get(name);
    if (!file) throw new Problem(404, 'no such file');
    res.writeHead(200, {
      'content-type': file.contentType,
      'content-length': file.sizeBytes,
      'content-disposition': `attachment; filename="${file.name}"`,
      'x-content-type-options': 'nosniff',
    });
    await pipeline(createReadStream(file.path), res);
  }

  return {
    handle(req, res) {
      dispatch(routes, req, res).catch((error: unknown) => sendProblem(req, res, error));
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

async function dispatch(
  routes: Record<string, Record<string, Handler>>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const path = (req.url ?? '').split('?', 1)[0] ?? '';
  const slash = path.indexOf('/', 1);
  const base = slash < 0 ? path : path.slice(0, slash + 1);
  const methods = Object.hasOwn(routes, base) ? routes[base] : undefined;
  if (!methods) throw new Problem(404, 'no such resource');
  const method = req.method ?? '';
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (!handler) throw new Problem(405, `${method} is not possible here`, { allow: Object.keys(methods).join(', ') });
  await handler(req, res, slash < 0 ? '' : decode(path.slice(slash + 1)));
}

/** One event a second, numbered on from `Last-Event-ID`, until the reader disconnects. */
async function events(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let id = Number(req.headers['last-event-id'] ?? 0) || 0;
  while (!gone.signal.aborted) {
    id += 1;
    res.write(`id: ${id}\ndata: ${JSON.stringify({ id, time: new Date().toISOString() })}\n\n`);
    await sleep(EVENT_INTERVAL_MS, undefined, { signal: gone.signal }).catch(() => undefined);
  }
}

function sendProblem(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const problem = error instanceof Problem ? error : new Problem(500, 'something went wrong');
  if (!req.complete) res.setHeader('connection', 'close'); // the rest of the body will not be read
  for (const [name, value] of Object.entries(problem.headers)) res.setHeader(name, value);
  json(res, problem.status, { status: problem.status, detail: problem.message }, 'application/problem+json');
}

function json(res: ServerResponse, status: number, value: unknown, contentType = 'application/json'): void {
  const body = Buffer.from(JSON.stringify(value));
  res.writeHead(status, { 'content-type': contentType, 'content-length': body.length, 'cache-control': 'no-store' });
  res.end(body);
}

async function readJson(req: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of req.iterator(KEEP_OPEN) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > JSON_MAX_BYTES) throw new Problem(413, `at most ${JSON_MAX_BYTES} bytes of JSON`);
    chunks.push(chunk);
  }
  const value = parseJson(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Problem(400, 'the body must be a JSON object');
  return value as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sessionId(req: IncomingMessage): string {
  return /(?:^|;\s*)session=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1] ?? '';
}

function same(given: unknown, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected));
}

function note(text: string): Note {
  return { id: randomUUID(), text, createdAt: new Date().toISOString() };
}

function tooLarge(): Problem {
  return new Problem(413, `at most ${UPLOAD_MAX_BYTES} bytes`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Problem(400, 'the path is not valid percent-encoding');
  }
}

/** A Map keeps insertion order, so its first entries are its oldest. */
function dropOldest<Value>(map: Map<string, Value>, limit: number): Value[] {
  const dropped: Value[] = [];
  for (const [key, value] of map) {
    if (map.size <= limit) break;
    map.delete(key);
    dropped.push(value);
  }
  return dropped;
}
