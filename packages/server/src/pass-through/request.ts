// A pass-through request, which the relay forwards unsealed, as any reverse proxy would.
import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { RelayContext } from '../context.ts';
import { type Domain, isSetByOthers } from '../domain.ts';
import { upstreamFailed } from '../failure/noted.ts';
import { refuse } from '../failure/planes.ts';
import { flatten, hasContent, type ParsedHeaders, rawFields } from '../http/fields.ts';
import { announcedTrailers, trailerFields } from '../http/trailers.ts';
import { JoinedWrites } from '../limits/small-pieces.ts';
import type { Account, HttpExchange } from '../observe/account.ts';
import { ResponseHeads } from '../upstream/failures.ts';
import { Upload } from './body.ts';
import { clientFields, fieldsForClient, outerCodeOfFailure, upstreamHeaders } from './fields.ts';

type Controller = Dispatcher.DispatchController;

/** The API decides which fields a page may read: its list is added to the relay's own, if there is one. */
const EXPOSED = 'access-control-expose-headers';

/** The upstream's lines of these fields follow those that are set already. */
const JOINED: ReadonlySet<string> = new Set(['vary', 'set-cookie']);

/** Writing it sends the head alone. `flushHeaders` would encode bytes of field values above 0x7f as UTF-8. */
const NOTHING = new Uint8Array(0);

/** Forwards one request. @param target the canonical target that its route was matched on. */
export function passThrough(
  context: RelayContext,
  domain: Domain,
  { req, res }: HttpExchange,
  account: Account,
  target: string,
): void {
  const given = clientFields(context, domain, req);
  const headers = upstreamHeaders(context, domain, req, given, account.requestId);
  const length = req.headers['content-length'];
  const hasBody = hasContent(req);
  if (hasBody && length !== undefined) headers.push('content-length', length);
  const isOthers = (name: string): boolean => isSetByOthers(domain, name);
  const trailers =
    hasBody && length === undefined ? announcedTrailers(given, isOthers, () => rawFields(req.rawTrailers)) : undefined;
  context.admission.passThroughs += 1;
  const method = req.method ?? 'GET';
  const call = { method, headers, origin: domain.upstream.url };
  account.dispatched(call);
  domain.upstream.dispatch(
    { method, target, headers, body: hasBody ? new Upload(req) : null, trailers },
    new PlainResponse(domain, context, account, res),
    () => account.dispatchedAgain(call),
  );
}

/** Writes the response to the client as undici receives it. */
class PlainResponse implements Dispatcher.DispatchHandler {
  readonly #domain: Domain;
  readonly #context: RelayContext;
  readonly #account: Account;
  readonly #res: ServerResponse;
  readonly #heads = new ResponseHeads();
  readonly #writes: JoinedWrites;
  #controller: Controller | undefined;

  constructor(domain: Domain, context: RelayContext, account: Account, res: ServerResponse) {
    this.#domain = domain;
    this.#context = context;
    this.#account = account;
    this.#res = res;
    this.#writes = new JoinedWrites((bytes, written) => {
      if (!res.write(bytes, written)) this.#controller?.pause();
    });
    res.on('close', () => {
      if (!res.writableFinished) this.#controller?.abort(new Error('the client disconnected'));
      context.admission.passThroughs -= 1;
    });
    res.on('drain', () => this.#controller?.resume());
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#res.destroyed) controller.abort(new Error('the client disconnected'));
  }

  /** Counts what undici has sent. */
  onBodySent(piece: Uint8Array): void {
    this.#account.bytesIn += piece.length;
  }

  onResponseStart(_controller: Controller, status: number, headers: ParsedHeaders): void {
    if (this.#heads.isInformational(status, headers)) return;
    this.#account.upstreamResponded(status);
    const exposed = headers[EXPOSED];
    if (exposed !== undefined && this.#res.hasHeader(EXPOSED)) {
      this.#res.setHeader(EXPOSED, [this.#res.getHeader(EXPOSED), exposed].flat().join(', '));
    }
    // Keeps several lines of one name; a field that an embedding program has set stands alone.
    const set = this.#res.getHeaderNames();
    for (const [name, value] of fieldsForClient(this.#domain, headers)) {
      if (JOINED.has(name) || !set.includes(name)) this.#res.appendHeader(name, value);
    }
    this.#res.writeHead(status);
    this.#res.write(NOTHING);
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    this.#account.bytesOut += chunk.length;
    this.#writes.write(chunk as Buffer<ArrayBuffer>);
  }

  onResponseEnd(_controller: Controller, trailers: ParsedHeaders): void {
    this.#account.upstreamEnded();
    this.#writes.flush();
    const fields = trailerFields(flatten(trailers), (name) => this.#domain.responseFields.has(name));
    if (fields.length > 0) this.#res.addTrailers(fields.map(([name, value]): [string, string] => [name, value]));
    this.#res.end();
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#res.destroyed) return; // the client disconnected: the upstream has not failed
    const code = outerCodeOfFailure(upstreamFailed(this.#context, this.#account, error));
    this.#account.failedOuter(code);
    this.#writes.flush();
    if (this.#res.headersSent) this.#res.destroy();
    else refuse(this.#res, code);
  }
}
