// A caller for each way through the relay, and one that pairs.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { CONTENT_TYPE_MESSAGE, CONTENT_TYPE_PAIRING, type Fields, startPairing } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import {
  discoveredKey,
  type OuterResponse,
  openResponse,
  plaintextOf,
  readResponse,
  type SealedClient,
  send,
} from '@mte-relay/testing/sealed-client';
import { type OuterClose, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import { WebSocket } from 'ws';

/** A request as its caller makes it. */
export interface Asked {
  readonly path: string;
  /** Fields of the application: inside the seal, where there is one. */
  readonly fields: Fields;
  /** Fields that a browser or a proxy sets on the outer hop. */
  readonly outer: Readonly<Record<string, string>>;
  /** The request's body, or the one message that is sent and echoed. */
  readonly payload: string;
  /** The caller disconnects when it is aborted. */
  readonly signal: AbortSignal;
}

/** The relay's own failure as the caller sees it. */
export interface Failure {
  readonly plane: 'outer' | 'inner';
  readonly code: string;
}

/** A response as its caller sees it. */
export interface Seen {
  /** The response on the outer hop, that to a handshake too. */
  readonly outer: OuterResponse;
  /** The end of a sealed WebSocket's outer hop. */
  readonly close?: OuterClose;
  /** As the application sees it, 101 for an open WebSocket; 0 where the seal holds no response. */
  readonly status: number;
  /** Fields of the response as the application sees it. */
  readonly fields: Fields;
  readonly text: string;
  readonly failure: Failure | undefined;
  /** False when the connection broke before the end was said. */
  readonly complete: boolean;
}

export async function sealedExchange(port: number, client: SealedClient | undefined, asked: Asked): Promise<Seen> {
  const { exchange, message } = await (client as SealedClient).seal(
    plaintextOf({ method: 'POST', path: asked.path, headers: asked.fields, body: asked.payload }),
  );
  const headers = { 'content-type': CONTENT_TYPE_MESSAGE, ...asked.outer };
  const outer = await send(port, '/api/mte', { headers, body: message, signal: asked.signal }).catch(broken);
  if (outer.status !== 200) return refusedOutside(outer);
  const { head, text } = await openResponse(exchange, outer);
  return {
    outer,
    status: head.status,
    fields: head.headers,
    text,
    failure: innerFailure(head.headers),
    complete: true,
  };
}

export async function passThroughRequest(
  port: number,
  _client: unknown,
  { path, signal, ...asked }: Asked,
): Promise<Seen> {
  const headers = plainFields(asked);
  const outer = await send(port, path, { headers, body: Buffer.from(asked.payload), signal }).catch(broken);
  return seenOutside(outer);
}

export async function sealedWebSocket(port: number, client: SealedClient | undefined, asked: Asked): Promise<Seen> {
  const ws = leavingWith(
    asked.signal,
    new WebSocket(`ws://127.0.0.1:${port}/api/mte-ws`, ['mte-relay.1'], { headers: asked.outer }),
  );
  const outer = await handshakeOf(ws).catch(broken);
  if (outer.status !== 101) return refusedOutside(outer);
  const socket = new TestWebSocket(ws);
  const upgrade = { path: asked.path, headers: asked.fields, scheme: 'http' };
  ws.send(await socket.sealOpening(client as SealedClient, upgrade));
  const response = await socket.response().catch(() => undefined);
  if (!response) {
    const close = await socket.outerClosed;
    return { ...refusedOutside({ ...outer, code: close.reason || undefined }), close };
  }
  const { status, headers: fields } = response.head;
  if (status !== 200) {
    const close = await socket.outerClosed;
    return { outer, close, status, fields, text: response.text, failure: innerFailure(fields), complete: true };
  }
  // Within the seal 200 stands for 101 (SPEC §13.2).
  const opened = { outer, status: 101, fields, failure: undefined };
  try {
    await socket.sendMessage(asked.payload);
    const { data } = await socket.nextMessage();
    await socket.send({ kind: 'close', code: 1000, reason: '' });
    const { kind } = await socket.next();
    return { ...opened, text: String(data), complete: kind === 'close', close: await socket.outerClosed };
  } catch {
    return { ...opened, text: '', complete: false, close: await socket.outerClosed };
  }
}

export async function passThroughWebSocket(
  port: number,
  _client: unknown,
  { path, signal, ...asked }: Asked,
): Promise<Seen> {
  const { connection, ...headers } = plainFields(asked);
  const ws = leavingWith(
    signal,
    new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      headers,
      finishRequest(handshake) {
        if (connection !== undefined) handshake.setHeader('connection', ['Upgrade', connection]);
        handshake.end();
      },
    }),
  );
  const outer = await handshakeOf(ws).catch(broken);
  if (outer.status !== 101) return seenOutside(outer);
  let text = '';
  ws.on('message', (data) => {
    text = String(data);
    ws.close(1000);
  });
  ws.send(asked.payload);
  const code = await new Promise<number>((resolve) => ws.on('close', resolve));
  return { ...seenOutside(outer), text, complete: code === 1000 };
}

export async function pairing(port: number, _client: unknown, { outer: headers, signal }: Asked): Promise<Seen> {
  const authority = `127.0.0.1:${port}`;
  const attempt = await startPairing(nodeSuite(), await discoveredKey(port), { authority, flags: 0 });
  const outer = await send(port, '/api/mte-pair', {
    headers: { 'content-type': CONTENT_TYPE_PAIRING, ...headers },
    body: attempt.message,
    signal,
  }).catch(broken);
  return seenOutside(outer);
}

/** Its body does not come. */
export async function halfAPairing(port: number, { signal }: Asked): Promise<void> {
  const headers = { 'content-type': CONTENT_TYPE_PAIRING, 'content-length': '2000' };
  const half = httpRequest({ port, host: '127.0.0.1', path: '/api/mte-pair', method: 'POST', headers, signal });
  half.on('error', () => undefined); // its close reports it
  half.flushHeaders();
  await new Promise((resolve) => half.on('close', resolve));
}

function plainFields({ fields, outer }: Pick<Asked, 'fields' | 'outer'>): Record<string, string> {
  return { host: 'relay.example', ...Object.fromEntries(fields), ...outer };
}

/** Resolves with the response to the handshake, whatever it is. */
function handshakeOf(ws: WebSocket): Promise<OuterResponse> {
  return new Promise((resolve, reject) => {
    ws.on('upgrade', ({ headers }: IncomingMessage) => {
      ws.on('open', () => resolve({ status: 101, headers, body: new Uint8Array(0), code: undefined }));
    });
    ws.on('unexpected-response', (handshake, res) => {
      readResponse(res)
        .then(resolve, reject)
        .finally(() => handshake.destroy());
    });
    ws.on('error', reject);
  });
}

function leavingWith(signal: AbortSignal, ws: WebSocket): WebSocket {
  signal.addEventListener('abort', () => ws.terminate());
  return ws;
}

/** No response, or one that was cut off. */
function broken(): OuterResponse {
  return { status: 0, headers: {}, body: new Uint8Array(0), code: undefined };
}

function refusedOutside(outer: OuterResponse): Seen {
  return { ...seenOutside(outer), status: 0, fields: [] };
}

/** Where the outer response is the application's. */
function seenOutside(outer: OuterResponse): Seen {
  return {
    outer,
    status: outer.status,
    fields: flatten(outer.headers),
    text: Buffer.from(outer.body).toString(),
    failure: outer.code === undefined ? undefined : { plane: 'outer', code: outer.code },
    complete: outer.status !== 0,
  };
}

function innerFailure(fields: Fields): Failure | undefined {
  const code = fields.find(([name]) => name === 'mte-relay-failure')?.[1];
  return code === undefined ? undefined : { plane: 'inner', code };
}

function flatten(headers: IncomingMessage['headers']): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().map((value): [string, string] => [name, value]),
  );
}
