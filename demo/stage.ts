// The demo's own routes beside the sample API: the page, and what the page shows in its second and third pane.

import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SeenFeed } from './seen.ts';
import type { Tap } from './tap.ts';

const PAGE = new URL('./page/', import.meta.url);
const SDK = new URL('../packages/client/dist/mte-relay-client.mjs', import.meta.url);

const FILES: Record<string, [url: URL, contentType: string]> = {
  '/demo/app.js': [new URL('app.js', PAGE), 'text/javascript'],
  '/demo/exchanges.js': [new URL('exchanges.js', PAGE), 'text/javascript'],
  '/demo/events.js': [new URL('events.js', PAGE), 'text/javascript'],
  '/demo/files.js': [new URL('files.js', PAGE), 'text/javascript'],
  '/demo/panes.js': [new URL('panes.js', PAGE), 'text/javascript'],
  '/demo/style.css': [new URL('style.css', PAGE), 'text/css'],
  '/demo/icon.svg': [new URL('icon.svg', PAGE), 'image/svg+xml'],
  '/demo/mte-relay-client.mjs': [SDK, 'text/javascript'],
};

export interface Stage {
  /** Where the page is opened. */
  readonly origin: string;
  /** The API's own address. The page asks it directly for what it shows, so that the relay's port carries none of it. */
  readonly observerOrigin: string;
  readonly pin: string;
  readonly tap: Tap;
  readonly seen: SeenFeed;
  restartRelay(): Promise<void>;
}

export function isStagePath(path: string): boolean {
  return path === '/' || path.startsWith('/demo/');
}

export async function respondForStage(stage: Stage, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? '/', 'http://stage');
  res.setHeader('cache-control', 'no-store');
  res.setHeader('access-control-allow-origin', stage.origin);
  res.setHeader('vary', 'origin');

  if (req.method === 'GET' && url.pathname === '/') return sendPage(stage, res);
  const file = Object.hasOwn(FILES, url.pathname) ? FILES[url.pathname] : undefined;
  if (req.method === 'GET' && file) return send(res, 200, file[1], await readFile(file[0]));

  const after = Number(url.searchParams.get('after') ?? 0) || 0;
  const route = `${req.method} ${url.pathname}`;
  if (route === 'GET /demo/seen') return sendJson(res, 200, stage.seen.since(after));
  if (route === 'GET /demo/wire') return sendJson(res, 200, wireSince(stage.tap, after));
  if (route === 'POST /demo/restart-relay') return restartRelay(stage, req, res);
  return sendJson(res, 404, { detail: 'no such resource' });
}

async function sendPage(stage: Stage, res: ServerResponse): Promise<void> {
  const template = await readFile(new URL('index.html', PAGE), 'utf8');
  const html = template.replaceAll('{{PIN}}', stage.pin).replaceAll('{{OBSERVER}}', stage.observerOrigin);
  res.setHeader(
    'content-security-policy',
    `default-src 'self'; connect-src 'self' ${stage.observerOrigin}; frame-ancestors 'none'`,
  );
  send(res, 200, 'text/html; charset=utf-8', html);
}

function wireSince(tap: Tap, after: number): object {
  const { cursor, items } = tap.exchanges.since(after);
  const bytes = ({ totalBytes, captured }: { totalBytes: number; captured: Buffer }): object => ({
    totalBytes,
    captured: captured.toString('base64'),
  });
  return {
    cursor,
    items: items.map((item) => ({ ...item, request: bytes(item.request), response: bytes(item.response) })),
  };
}

/** Only for the demo's page: another site may not restart anything (browsers send Origin with every POST). */
async function restartRelay(stage: Stage, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.headers.origin !== stage.origin) return sendJson(res, 403, { detail: 'not from this page' });
  await stage.restartRelay();
  return sendJson(res, 200, { restarted: true });
}

function sendJson(res: ServerResponse, status: number, value: unknown): void {
  send(res, status, 'application/json', JSON.stringify(value));
}

function send(res: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  res.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  res.end(body);
}
