// Content in pieces of one byte, and the same bytes on the wire in pieces of ordinary size, for each framing.
import {
  type Bytes,
  concatBytes,
  encodeContent,
  encodeEnd,
  encodeRequestStart,
  MESSAGE_TYPE_EXCHANGE,
  SealedExchange,
} from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { type SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';

/** Size of an ordinary piece. */
const COARSE_BYTES = 16_384;

/** How content is cut. */
export type Cut = 'fine' | 'coarse';

/** Bytes of a framing that has `of(content)` for each piece, so many of them on the wire. */
function framed(wireBytes: number, cut: Cut, of: (content: Buffer) => Uint8Array): Buffer {
  const piece = Buffer.from(of(Buffer.alloc(cut === 'fine' ? 1 : COARSE_BYTES, 'x')));
  return Buffer.concat(Array<Buffer>(Math.ceil(wireBytes / piece.length)).fill(piece));
}

/** A body in chunks of HTTP/1.1, with its end. */
export function chunkedBody(wireBytes: number, cut: Cut): Buffer {
  const chunks = framed(wireBytes, cut, chunkOf);
  return Buffer.concat([chunks, Buffer.from('0\r\n\r\n')]);
}

/** One chunk of HTTP/1.1. */
export function chunkOf(content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')]);
}

/** Binary HTTP content of indeterminate length. */
export function contentPieces(wireBytes: number, cut: Cut): Bytes {
  return new Uint8Array(framed(wireBytes, cut, (content) => encodeContent(new Uint8Array(content))));
}

/** A sealed POST to this path whose chunks have these plaintexts; the last one ends the request if `ended`. */
export async function sealedUpload(
  client: SealedClient,
  path: string,
  plaintexts: Iterable<Bytes>,
  { ended }: { readonly ended: boolean },
): Promise<Buffer> {
  const exchange = await SealedExchange.begin(nodeSuite(), client.keys, MESSAGE_TYPE_EXCHANGE, client.nextN++);
  const head = { method: 'POST', scheme: 'http', authority: client.authority, path, headers: withSentTime() };
  const sealed: Bytes[] = [exchange.header, await exchange.seal(encodeRequestStart(head))];
  for (const plaintext of plaintexts) sealed.push(await exchange.seal(plaintext));
  if (ended) sealed.push(await exchange.sealFinal(encodeEnd()));
  return Buffer.from(concatBytes(sealed));
}

/** Slices of some bytes. */
export function* slices(bytes: Bytes, size: number): Generator<Bytes> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
