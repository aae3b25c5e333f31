// A pass-through request: forwarded by rule without sealing, as any reverse proxy would.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { INNER_FAILURE, type OuterCode } from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { refuse } from '../http/failure.ts';
import type { Logger } from '../observe/log.ts';
import { downstreamFields, endToEndFields, overrideFields, type ParsedHeaders, upstreamRequestHeaders } from './headers.ts';
import { upstreamFailureCode } from './upstream.ts';

type Controller = Dispatcher.DispatchController;

/** Forwards one request. @param target the canonical target that its route was matched on. */
export function passThrough(
  domain: Domain,
  { log, trustedProxies }: RelayContext,
  req: IncomingMessage,
  res: ServerResponse,
  target: string,
): void {
  const fields = overrideFields(endToEndFields(rawFields(req.rawHeaders)), domain.settings.HEADERS);
  const headers = upstreamRequestHeaders(fields, trustedProxies.read(req));
  const length = req.headers['content-length'];
  const hasBody = (length !== undefined && length !== '0') || req.headers['transfer-encoding'] !== undefined;
  if (hasBody && length !== undefined) headers.push('content-length', length);
  domain.upstream.dispatch(
    { method: req.method ?? 'GET', target, headers, body: hasBody ? req : null },
    new PlainAnswer(domain, log, req, res),
  );
}

class PlainAnswer implements Dispatcher.DispatchHandler {
  readonly #domain: Domain;
  readonly #res: ServerResponse;
  #controller: Controller | undefined;

  constructor(domain: Domain, log: Logger, req: IncomingMessage, res: ServerResponse) {
    this.#domain = domain;
    this.#res = res;
    res.on('close', () => {
      if (!res.writableFinished) this.#controller?.abort(new Error('the client went away'));
      log.info({ route: 'pass-through', method: req.method, status: res.statusCode }, 'passed through');
    });
    res.on('drain', () => this.#controller?.resume());
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#res.destroyed) controller.abort(new Error('the client went away'));
  }

  onResponseStart(_controller: Controller, status: number, headers: ParsedHeaders): void {
    if (status < 200) return;
    const own = new Set(this.#res.getHeaderNames());
    for (const [name, value] of downstreamFields(headers)) {
      // The relay's own CORS answer stands alone; several lines of one name stay several.
      if ((own.has(name) && name !== 'vary') || name.startsWith('access-control-')) continue;
      this.#res.appendHeader(name, name === 'location' ? this.#domain.upstream.clientLocation(value) : value);
    }
    this.#res.writeHead(status);
    this.#res.flushHeaders();
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (!this.#res.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#res.end();
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#res.headersSent) {
      this.#res.destroy();
      return;
    }
    refuse(this.#res, plainCodeOf(error));
  }
}

function plainCodeOf(error: Error): OuterCode {
  const code = upstreamFailureCode(error);
  if (code === 'request-malformed') return 'malformed';
  return INNER_FAILURE[code].status === 504 ? 'upstream-timeout' : 'upstream-unreachable';
}

function rawFields(rawHeaders: readonly string[]): [string, string][] {
  const fields: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    fields.push([(rawHeaders[i] as string).toLowerCase(), rawHeaders[i + 1] as string]);
  }
  return fields;
}
