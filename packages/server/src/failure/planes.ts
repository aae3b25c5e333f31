// The relay's responses to errors (SPEC §8): refusals on the outer hop, which are bare and constant, and the
// relay's own sealed responses, which state whether the upstream may have seen the request.
import { type ServerResponse, STATUS_CODES } from 'node:http';
import {
  type Bytes,
  type Fields,
  INNER_FAILURE,
  INNER_FAILURE_FIELD,
  type InnerCode,
  OUTER_CLOSE_BASE,
  OUTER_STATUS,
  type OuterCode,
  ProtocolError,
  type ResponseHead,
} from '@mte-relay/protocol';
import { RETRY_AFTER_SECONDS } from '../limits/fixed.ts';

/** Thrown to refuse a request on the outer hop. */
export class OuterRefusal extends Error {
  override readonly name = 'OuterRefusal';
  readonly code: OuterCode;

  constructor(code: OuterCode) {
    super(code);
    this.code = code;
  }
}

/** Thrown once a message is authenticated, to refuse it inside the seal. */
export class InnerRefusal extends Error {
  override readonly name = 'InnerRefusal';
  readonly code: InnerCode;
  /** Fields of the response, beside those of every failure. */
  readonly fields: Fields;

  constructor(code: InnerCode, options: ErrorOptions & { readonly fields?: Fields } = {}) {
    super(code, options);
    this.code = code;
    this.fields = options.fields ?? [];
  }
}

/** The relay's own response, to be sealed. */
export interface OwnResponse {
  readonly head: ResponseHead;
  readonly body: Bytes;
}

/** Thrown once a message is authenticated, to send the embedding program's response instead of the upstream's. */
export class RefusedByHook extends Error {
  override readonly name = 'RefusedByHook';
  readonly response: OwnResponse;

  constructor(response: OwnResponse) {
    super('refused by the onRequest hook');
    this.response = response;
  }
}

/** The title of each outer refusal. */
export const OUTER_TITLE: Readonly<Record<OuterCode, string>> = {
  malformed: 'The message is malformed',
  unopenable: 'The message could not be opened',
  'session-unknown': 'The session is unknown or has ended: pair again',
  'origin-refused': 'This origin may not use the relay',
  'not-found': 'The relay serves nothing at this path',
  'method-not-allowed': 'This endpoint does not allow this method',
  timeout: 'The request did not arrive in time',
  replayed: 'The message number was used before',
  'too-large': 'The message is larger than the relay accepts',
  'media-type-unsupported': 'This endpoint requires another content type',
  'domain-unknown': 'The relay does not serve this authority',
  'key-unknown': 'The message is sealed to a key that the relay does not have',
  'version-unsupported': 'The relay does not support this protocol version',
  'upgrade-required': 'This endpoint requires a WebSocket handshake',
  'too-many': 'Too many requests: retry later',
  'headers-too-large': 'The header fields are larger than the relay accepts',
  internal: 'The relay failed',
  'upstream-unreachable': 'The upstream cannot be reached',
  'upstream-failed': 'The upstream failed before its response was complete',
  unavailable: 'The relay is temporarily unavailable: retry later',
  'upstream-timeout': 'The upstream timed out',
  'loop-detected': 'The request has passed this relay before: the upstream leads back to it',
};

/** Constant bodies, made once. */
const OUTER_BODY = Object.fromEntries(
  Object.entries(OUTER_STATUS).map(([code, status]) => [code, problem(OUTER_TITLE[code as OuterCode], status, code)]),
) as Record<OuterCode, Buffer>;

/** The refusal as bytes, for a connection without a ServerResponse. */
export function rawRefusal(code: OuterCode): string {
  const body = OUTER_BODY[code];
  const status = OUTER_STATUS[code];
  const head = ['content-type: application/problem+json', `content-length: ${body.length}`, 'connection: close'];
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('\r\n')}\r\n\r\n${body}`;
}

/**
 * Sends a refusal on the outer hop; closes the connection if a response has begun.
 * @param retryAfterSeconds of a refusal that is temporary; default 2.
 */
export function refuse(res: ServerResponse, code: OuterCode, retryAfterSeconds: number = RETRY_AFTER_SECONDS): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const body = OUTER_BODY[code];
  if (code === 'too-many' || code === 'unavailable') res.setHeader('retry-after', retryAfterSeconds);
  // The relay does not serve the rest of a refused request: the connection closes after the response.
  if (!res.req.complete) res.setHeader('connection', 'close');
  res.writeHead(OUTER_STATUS[code], {
    'content-type': 'application/problem+json',
    'content-length': body.length,
    'cache-control': 'no-store',
  });
  res.end(body);
}

/** The outer WebSocket's close code for a refusal (SPEC §13.5); its close reason is the refusal's code. */
export function outerCloseCode(code: OuterCode): number {
  return OUTER_CLOSE_BASE + OUTER_STATUS[code];
}

/**
 * Decodes an authentic message: a fault in it is the client's own and is refused inside the seal.
 * @throws InnerRefusal in place of a ProtocolError.
 */
export function decodeAuthentic<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new InnerRefusal(error.code === 'too-large' ? 'request-too-large' : 'request-malformed', { cause: error });
  }
}

/** The outer code that fits an error, whatever it is. */
export function outerCodeOf(error: unknown): OuterCode {
  if (error instanceof OuterRefusal) return error.code;
  if (!(error instanceof ProtocolError)) return 'internal';
  switch (error.code) {
    case 'unopenable':
    case 'too-large':
    case 'version-unsupported':
    case 'key-unknown':
      return error.code;
    case 'suite-unsupported':
      return 'version-unsupported';
    default:
      return 'malformed';
  }
}

/** The relay's own response to an authenticated request. @param fields beside those of every failure. */
export function innerFailure(code: InnerCode, fields: Fields = []): OwnResponse {
  const { status, upstreamSaw } = INNER_FAILURE[code];
  const body = problem(INNER_TITLE[code], status, code, { upstreamSaw });
  return {
    head: {
      status,
      headers: [
        ['content-type', 'application/problem+json'],
        ['content-length', String(body.length)],
        [INNER_FAILURE_FIELD, code],
        ...fields,
      ],
    },
    body,
  };
}

/** The title of each of the relay's own sealed responses. */
export const INNER_TITLE: Readonly<Record<InnerCode, string>> = {
  'request-malformed': 'The sealed request is not a valid HTTP request',
  'path-refused': 'The path is refused: proxies could read it differently',
  'request-stale': 'The request took too long to arrive; it was not forwarded',
  'route-refused': 'The relay does not forward this path',
  'method-refused': 'Pages of other origins may not use this method',
  'request-too-large': 'The request is larger than the relay forwards',
  'upstream-unreachable': 'The upstream cannot be reached; it has not seen the request',
  'upstream-failed': 'The upstream failed before its response was complete; it may have seen the request',
  'upstream-timeout': 'The upstream timed out; it may have seen the request',
  'loop-detected': 'The request has passed this relay before: it was not forwarded again',
};

function problem(title: string, status: number, code: string, more: Record<string, string> = {}): Buffer<ArrayBuffer> {
  return Buffer.from(JSON.stringify({ type: 'about:blank', title, status, code, ...more }));
}
