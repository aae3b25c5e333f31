// The backend of the fetch cases, over a real socket: responds by the case's data and keeps what it saw.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { deflateSync, gzipSync } from 'node:zlib';
import { serve } from '@mte-relay/testing/servers';
import { type BytesSeen, bytesSeen, type FetchCase, patternOf, type ResponseGiven } from './format.ts';

/** One request as it came. */
export interface RequestSeen {
  readonly method: string;
  /** Behind the case's own path. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: BytesSeen;
  readonly content: Uint8Array<ArrayBuffer>;
}

export interface CaseBackend {
  readonly url: string;
  /** The path under which the case at this index gets its response. */
  casePath(index: number): string;
  /** The requests for it since the last call. */
  take(index: number): RequestSeen[];
  close(): void;
}

export async function startCaseBackend(cases: readonly FetchCase[]): Promise<CaseBackend> {
  const seen = new Map<number, RequestSeen[]>();
  const { url, close } = await serve((req, res) => respondToCase(cases, seen, req, res));
  return {
    url,
    casePath: (index) => `/case/${index}`,
    take(index) {
      const taken = seen.get(index) ?? [];
      seen.delete(index);
      return taken;
    },
    close,
  };
}

async function respondToCase(
  cases: readonly FetchCase[],
  seen: Map<number, RequestSeen[]>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const [, path = '', number = '', target = ''] = /^(\/case\/(\d+))(.*)$/.exec(req.url as string) ?? [];
  const fetchCase = cases[Number(number)];
  if (number === '' || !fetchCase) return void res.writeHead(404).end();
  const parts: Buffer[] = [];
  // Of a body that is cut off, the bytes before count.
  await (async () => {
    for await (const part of req) parts.push(part as Buffer);
  })().catch(() => undefined);
  const content = new Uint8Array(Buffer.concat(parts));
  const list = seen.get(Number(number)) ?? [];
  const headers = Object.fromEntries(
    Object.entries(req.headersDistinct).map(([name, values]) => [name, values?.join(', ') ?? '']),
  );
  list.push({ method: req.method as string, target, headers, body: bytesSeen(content), content });
  seen.set(Number(number), list);
  respond(fetchCase.responses?.[target.replace(/\?.*/, '')] ?? {}, path, req, res);
}

function respond(given: ResponseGiven, path: string, req: IncomingMessage, res: ServerResponse): void {
  if (given.holds === 'head') return;
  const { status = 200, headers = [], body, coding } = given;
  const plain = !body ? new Uint8Array(0) : 'text' in body ? Buffer.from(body.text) : patternOf(body.patternBytes);
  const content = coding === 'gzip' ? gzipSync(plain) : coding === 'deflate' ? deflateSync(plain) : plain;
  res.statusCode = status;
  for (const [name, value] of headers) res.appendHeader(name, value.replaceAll('{case}', path));
  if (coding) res.setHeader('content-encoding', coding);
  if (given.holds === 'body') return void res.write(content);
  if (![204, 304].includes(status)) res.setHeader('content-length', content.length);
  res.end(req.method === 'HEAD' ? undefined : content);
}
