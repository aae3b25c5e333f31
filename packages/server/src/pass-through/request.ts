// A pass-through request: forwarded by rule without sealing, as any reverse proxy would.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OuterCode } from '@mte-relay/protocol';
import type { Dispatcher } from 'undici';
import type { RelayContext } from '../context.ts';
import type { Domain } from '../domain.ts';
import { refuse } from '../failure/planes.ts';
import {
  announcedTrailers,
  downstreamFields,
  endToEndFields,
  flatten,
  notAStatus,
  overrideFields,
  type ParsedHeaders,
  rawFields,
  trailerFields,
  upstreamRequestHeaders,
} from '../http/fields.ts';
import { REQUEST_ID_FIELD } from '../http/request-id.ts';
import { Account } from '../observe/account.ts';
import { faultOf } from '../observe/fault.ts';
import type { Logger } from '../observe/log.ts';
import { upstreamFailureCode } from '../upstream/pool.ts';
import { Upload } from './body.ts';

type Controller = Dispatcher.DispatchController;

/** Which fields a page may read is the API's to say: what it lists joins the relay's own list, where there is one. */
const EXPOSED = 'access-control-expose-headers';

/** Sends the head by itself, as `flushHeaders` does; that writes bytes of field values above 0x7f as UTF-8, twice as many. */
const NOTHING = new Uint8Array(0);

/** Forwards one request. @param target the canonical target that its route was matched on. */
export function passThrough(
  domain: Domain,
  context: RelayContext,
  req: IncomingMessage,
  res: ServerResponse,
  target: string,
): void {
  const account = new Account(context, req, res, 'pass_through');
  const given = endToEndFields(rawFields(req.rawHeaders)).filter(([name]) => name !== REQUEST_ID_FIELD);
  const fields = overrideFields(given, domain.settings.HEADERS);
  const headers = upstreamRequestHeaders(fields, context.trustedProxies.read(req));
  headers.push(REQUEST_ID_FIELD, account.requestId);
  const length = req.headers['content-length'];
  const hasBody = (length !== undefined && length !== '0') || req.headers['transfer-encoding'] !== undefined;
  if (hasBody && length !== undefined) headers.push('content-length', length);
  const own = domain.settings.HEADERS;
  const trailers =
    hasBody && length === undefined ? announcedTrailers(given, own, () => rawFields(req.rawTrailers)) : undefined;
  context.admission.passThroughs += 1;
  const method = req.method ?? 'GET';
  account.dispatched({ method, headers, origin: domain.upstream.url });
  domain.upstream.dispatch(
    { method, target, headers, body: hasBody ? new Upload(req) : null, trailers },
    new PlainAnswer(domain, context, account, res),
  );
}

class PlainAnswer implements Dispatcher.DispatchHandler {
  readonly #domain: Domain;
  readonly #log: Logger;
  readonly #account: Account;
  readonly #res: ServerResponse;
  #controller: Controller | undefined;

  constructor(domain: Domain, { admission, log }: RelayContext, account: Account, res: ServerResponse) {
    this.#domain = domain;
    this.#log = log;
    this.#account = account;
    this.#res = res;
    res.on('close', () => {
      if (!res.writableFinished) this.#controller?.abort(new Error('the client went away'));
      admission.passThroughs -= 1;
      account.close(res);
    });
    res.on('drain', () => this.#controller?.resume());
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#res.destroyed) controller.abort(new Error('the client went away'));
  }

  /** Called by undici though its types do not say so. */
  onBodySent(piece: Uint8Array): void {
    this.#account.bytesIn += piece.length;
  }

  onResponseStart(_controller: Controller, status: number, headers: ParsedHeaders): void {
    if (status < 100) throw notAStatus(status);
    if (status < 200) return;
    this.#account.upstreamAnswered();
    this.#account.status = status;
    const own = new Set(this.#res.getHeaderNames());
    for (const [name, value] of downstreamFields(headers)) {
      if (name === EXPOSED && own.has(EXPOSED))
        this.#res.setHeader(EXPOSED, `${this.#res.getHeader(EXPOSED)}, ${value}`);
      // Otherwise the relay's own CORS answer stands alone; several lines of one name stay several.
      if ((own.has(name) && name !== 'vary') || name.startsWith('access-control-')) continue;
      this.#res.appendHeader(name, this.#domain.upstream.clientValue(name, value));
    }
    this.#res.writeHead(status);
    this.#res.write(NOTHING);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#account.bytesOut += chunk.length;
    if (!this.#res.write(chunk)) controller.pause();
  }

  onResponseEnd(_controller: Controller, trailers: ParsedHeaders): void {
    this.#account.upstreamEnded();
    const fields = trailerFields(flatten(trailers), this.#domain.settings.HEADERS);
    if (fields.length > 0) this.#res.addTrailers(fields.map(([name, value]): [string, string] => [name, value]));
    this.#res.end();
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#res.destroyed) return; // by the client, which needs no answer and is no fault of the upstream
    this.#log.warn({ ...this.#account.names(), fault: faultOf(error) }, 'upstream failed');
    const code = plainCodeOf(error);
    this.#account.upstreamFailed(code);
    if (this.#res.headersSent) {
      this.#res.destroy();
      return;
    }
    this.#account.refusedOuter(code);
    refuse(this.#res, code);
  }
}

/** What an upstream's failure is called on a pass-through route. */
export function plainCodeOf(error: Error): OuterCode {
  const code = upstreamFailureCode(error);
  return code === 'request-malformed' ? 'malformed' : code;
}
