// The app's own server: its page and its API, plain HTTP, with no knowledge of a relay.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const PAGE = new URL('./page/', import.meta.url);
const AXIOS = new URL('dist/axios.min.js', pathToFileURL(createRequire(import.meta.url).resolve('axios/package.json')));
const ACCOUNT = { user: 'robin', password: 'only-the-api-reads-this' };

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/thanks.html': ['thanks.html', 'text/html; charset=utf-8'],
  '/goodbye.html': ['goodbye.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript'],
  '/seal.js': ['seal.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
  '/assets/logo.svg': ['assets/logo.svg', 'image/svg+xml'],
  '/axios.js': [AXIOS, 'text/javascript'],
};

/** @returns a server, not listening yet. @param change what becomes of the page's HTML before it is sent. */
export function createApp(change = (html) => html) {
  const sessions = new Set();
  const notes = [{ text: 'Two herons at the weir' }, { text: 'Bridge 14: rust on the northern bearing' }];
  const files = [];
  const messages = [];

  const routes = {
    'POST /api/v1/login': async (req, res) => {
      const { user, password } = await bodyOf(req).json();
      if (user !== ACCOUNT.user || password !== ACCOUNT.password) return send(res, 401, { problem: 'try again' });
      const id = randomBytes(24).toString('base64url');
      sessions.add(id);
      res.setHeader('set-cookie', `session=${id}; Path=/; HttpOnly; SameSite=Lax`);
      send(res, 200, { user });
    },
    'GET /api/v1/notes': (_req, res) => send(res, 200, notes),
    'POST /api/v1/notes': async (req, res) => {
      const note = await bodyOf(req).json();
      notes.push(note);
      send(res, 201, note);
    },
    'GET /api/v1/search': (_req, res, url) => {
      const wanted = (url.searchParams.get('q') ?? '').toLowerCase();
      send(res, 200, wanted ? notes.filter(({ text }) => text.toLowerCase().includes(wanted)) : []);
    },
    'POST /api/v1/files': async (req, res) => {
      const file = (await bodyOf(req).formData()).get('file');
      files.push({ name: file.name, sizeBytes: file.size });
      send(res, 201, files);
    },
    'GET /api/v1/gauge.svg': (_req, res) => {
      res.writeHead(200, { 'content-type': 'image/svg+xml', 'cache-control': 'no-store' });
      res.end('<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40"><text y="28">0.47 m</text></svg>');
    },
    'GET /api/v1/export': (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/csv', 'content-disposition': 'attachment; filename="notes.csv"' });
      res.end(notes.map(({ text }) => `"${text}"\n`).join(''));
    },
    'GET /api/v1/report': (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
      res.end(`<!doctype html><meta charset="utf-8"><p>${notes.length} notes on the weir</p>`);
    },
    'GET /api/v1/events': (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      res.write('data: the gauge reads 0.47 m\n\n');
    },
    'POST /api/v1/logout': (req, res) => {
      sessions.delete(sessionOf(req));
      res.setHeader('set-cookie', 'session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0');
      res.writeHead(303, { location: '/goodbye.html' }).end();
    },
    'POST /api/v1/messages': async (req, res) => {
      messages.push(Object.fromEntries(await bodyOf(req).formData()));
      res.writeHead(303, { location: `/thanks.html?number=${messages.length}` }).end();
    },
  };

  return createServer(async (req, res) => {
    try {
      const url = new URL(req.url, 'http://app');
      const file = req.method === 'GET' && Object.hasOwn(FILES, url.pathname) && FILES[url.pathname];
      if (file) return await sendFile(res, file, change);
      const route = routes[`${req.method} ${url.pathname}`];
      if (!route) return send(res, 404, { problem: 'no such page' });
      const signedIn = sessions.has(sessionOf(req));
      if (!signedIn && url.pathname !== '/api/v1/login') return send(res, 401, { problem: 'sign in first' });
      await route(req, res, url);
    } catch (error) {
      send(res, 500, { problem: error.message });
    }
  });
}

/** The id in the request's cookie. */
function sessionOf(req) {
  return /(?:^|;\s*)session=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1];
}

async function sendFile(res, [name, contentType], change) {
  const bytes = await readFile(new URL(name, PAGE));
  // Each of these is needed: the app's scripts, its worker, its calls.
  res.setHeader('content-security-policy', "default-src 'self'; worker-src 'self'; frame-ancestors 'none'");
  res.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-cache' });
  res.end(name === 'index.html' ? change(bytes.toString()) : bytes);
}

function send(res, status, value) {
  if (res.headersSent) return res.destroy();
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(value));
}

/** Whatever a fetch or a form sends, taken apart by the platform. */
function bodyOf(req) {
  return new Response(Readable.toWeb(req), { headers: { 'content-type': req.headers['content-type'] ?? '' } });
}
