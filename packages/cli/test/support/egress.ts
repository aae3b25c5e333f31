// The real egress command, and requests through it.
import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { contentOf } from '@mte-relay/testing/content';
import { printed, type RunningProcess, startScript } from '@mte-relay/testing/processes';

export interface Egress extends RunningProcess {
  readonly url: string;
}

/** Starts the egress on any port, without waiting for it. */
export function spawnEgress(args: string[], environment: Record<string, string> = {}): RunningProcess {
  return startScript('packages/cli/bin/mte-relay.js', ['egress', '--listen', '127.0.0.1:0', ...args], environment);
}

/** Starts it and waits until it is ready. */
export async function startEgress(args: string[], environment: Record<string, string> = {}): Promise<Egress> {
  const running = spawnEgress(args, environment);
  const [, url] = await printed(running, /^ready (\S+)$/m);
  return { ...running, url: url as string };
}

export interface CallResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingMessage['trailers'];
  readonly body: Buffer;
}

/** One request by node:http, read to its end. */
export async function call(
  url: string,
  target: string,
  options: RequestOptions = {},
  body?: string | Buffer,
): Promise<CallResponse> {
  const { hostname, port } = new URL(url);
  const req = request({ hostname, port, path: target, ...options });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return {
    status: res.statusCode as number,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    body: await contentOf(res),
    trailers: res.trailers,
  };
}
