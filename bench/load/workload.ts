// The one exchange that every subject carries: POST of about 1 KiB of JSON, and a response of about 1 KiB of JSON.
import { Buffer } from 'node:buffer';

const BODY_BYTES = 1024;

export const PATH = '/orders';
export const CONTENT_TYPE = 'application/json';
/** ASCII without `$`, quotes aside from `"`, or backslash: it stands literally in an nginx configuration. */
export const REQUEST_BODY: Buffer = jsonOfSize('order', BODY_BYTES);
export const RESPONSE_BODY: Buffer = jsonOfSize('receipt', BODY_BYTES);

function jsonOfSize(kind: string, bytes: number): Buffer {
  const lines: { sku: string; quantity: number; note: string }[] = [];
  for (let i = 0; i < 12; i += 1)
    lines.push({ sku: `A-${1000 + i * 37}`, quantity: i + 1, note: 'deliver to the back' });
  const empty = JSON.stringify({ kind, lines, filler: '' });
  return Buffer.from(JSON.stringify({ kind, lines, filler: 'x'.repeat(Math.max(0, bytes - empty.length)) }));
}

/** The plain request as wrk also sends it, for the probes that compare a whole response. */
export function plainRequestBytes(port: number): Buffer {
  const head = httpRequestHead(PATH, port, CONTENT_TYPE, REQUEST_BODY.length);
  return Buffer.concat([head, REQUEST_BODY]);
}

/** Head of an HTTP/1.1 POST with the same three fields that wrk sends. */
export function httpRequestHead(path: string, port: number, contentType: string, contentBytes: number): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: ${contentType}\r\n` +
      `Content-Length: ${contentBytes}\r\n\r\n`,
    'latin1',
  );
}
