// The relay's own unsealed endpoints: discovery, and an echo that shows that the relay is reachable.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { refuseAndCount } from '../failure/noted.ts';
import { PUBLIC_MAX_AGE_SECONDS } from '../limits/fixed.ts';

/** Responds with the discovery document (SPEC §9.1). */
export function discover(
  context: RelayContext,
  { cors, discovery }: Domain,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  if (!admitRead(context, cors, req, res)) return;
  res.writeHead(200, {
    'content-type': 'application/json',
    'content-length': discovery.length,
    'cache-control': `public, max-age=${PUBLIC_MAX_AGE_SECONDS}`,
  });
  res.end(req.method === 'HEAD' ? undefined : discovery);
}

/** Responds with a message of the query, unsealed: shows that the relay is reachable. */
export function echo(
  context: RelayContext,
  { cors }: Domain,
  req: IncomingMessage,
  res: ServerResponse,
  query: string,
): void {
  if (!admitRead(context, cors, req, res)) return;
  const message = new URLSearchParams(query).get('msg') ?? '';
  const body = Buffer.from(JSON.stringify({ echo: message, time: new Date().toISOString() }));
  res.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** True for GET and HEAD; responds itself to another method. */
function admitRead(context: RelayContext, cors: Domain['cors'], req: IncomingMessage, res: ServerResponse): boolean {
  if (req.method === 'OPTIONS') {
    cors.preflight(req, res, 'GET, HEAD');
    return false;
  }
  cors.apply(req, res);
  if (req.method === 'GET' || req.method === 'HEAD') return true;
  refuseMethod(context, res, 'GET, HEAD, OPTIONS');
  return false;
}

/** Refuses a method. @param allow the methods of the endpoint. */
export function refuseMethod(context: RelayContext, res: ServerResponse, allow: string): void {
  res.setHeader('allow', allow);
  refuseAndCount(context, res, 'method-not-allowed');
}
