// The backend that the libraries call: JSON, statuses, a slow response, an upload, and one operation of GraphQL.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RelayClient } from '@mte-relay/client';
import { contentOf } from '@mte-relay/testing/content';
import { sdkStage } from '@mte-relay/testing/sdk-client';

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly type: string | undefined;
  readonly own: string | undefined;
  readonly body: string;
}

/** A client whose backend keeps what it saw. @returns `seen`, in order. */
export async function setUpApi(): Promise<{ url: string; client: RelayClient; seen: Call[] }> {
  const seen: Call[] = [];
  const { url, client } = await sdkStage((request, response) => void serve(seen, request, response));
  return { url, client, seen };
}

async function serve(seen: Call[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '', headers } = request;
  const body = (await contentOf(request)).toString('latin1');
  seen.push({ method, url, type: headers['content-type'], own: headers['x-own'] as string | undefined, body });
  const json = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  if (url === '/slow') return;
  if (url === '/empty') return void response.writeHead(204).end();
  if (url === '/graphql') return json(200, { data: { note: { __typename: 'Note', id: '1', text: 'sealed' } } });
  if (url === '/flaky') return json(seen.filter((call) => call.url === url).length === 1 ? 503 : 200, { ok: true });
  if (url.startsWith('/status/')) return json(Number(url.slice(8)), { problem: 'as asked' });
  if (url === '/large') return void response.end(Buffer.alloc(500_000, 7));
  json(200, { method, body: body.length });
}
