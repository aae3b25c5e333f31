// SPEC §13: the opening of a WebSocket, its keys, its frames. Whole messages at once.
import { type Bytes, Cursor, join, NONE, text, uint } from './bytes.ts';
import { requestKey, responseKey } from './messages.ts';
import { expand, open, seal } from './primitives.ts';
import { require } from './refused.ts';

const FINAL = text('final');
const FRAME = text('ws');
const SEALED_MAX = 65_552;

export interface Frame {
  kind: 'text' | 'binary' | 'more' | 'ping' | 'pong' | 'close';
  /** Data frames only. */
  final?: boolean;
  data?: Bytes;
  /** Close frames only; undefined: no code. */
  code?: number;
  reason?: Bytes;
}

/** §13.2 */
export function opening(requestSecret: Bytes, header: Bytes, request: Bytes): Bytes {
  return join(header, uint(1, 0), seal(requestKey(requestSecret, header), 0, FINAL, request));
}

/** §13.2 */
export function openOpening(requestSecret: Bytes, message: Bytes): Bytes {
  if (message.length > 0) require(message[0] === 1, 'version-unsupported');
  const cursor = new Cursor(message);
  const header = cursor.take(42);
  require(header[1] === 3, 'malformed');
  require(new Cursor(header.subarray(18)).uint(8) >= 0, 'malformed');
  return openOnly(requestKey(requestSecret, header), cursor);
}

/** §13.2 */
export function sealedResponse(responseSecret: Bytes, header: Bytes, nonce: Bytes, response: Bytes): Bytes {
  return join(nonce, uint(1, 0), seal(responseKey(responseSecret, header, nonce), 0, FINAL, response));
}

/** §13.2 */
export function openResponse(responseSecret: Bytes, header: Bytes, message: Bytes): Bytes {
  const cursor = new Cursor(message);
  return openOnly(responseKey(responseSecret, header, cursor.take(16)), cursor);
}

function openOnly(key: Bytes, cursor: Cursor): Bytes {
  require(cursor.uint(1) === 0, 'malformed');
  require(cursor.left <= SEALED_MAX, 'too-large');
  return open(key, 0, FINAL, cursor.rest());
}

/** §13.3 */
export function frameKey(side: 'client' | 'relay', secret: Bytes, header: Bytes, nonce: Bytes): Bytes {
  return expand(secret, join(text(side === 'client' ? 'ws req' : 'ws res'), header, nonce));
}

/** §13.3: frame number `i` of its direction. */
export function sealFrame(key: Bytes, i: number, plaintext: Bytes): Bytes {
  return seal(key, i, FRAME, plaintext);
}

/** §13.3 */
export function openFrame(key: Bytes, i: number, sealed: Bytes): Bytes {
  require(sealed.length <= SEALED_MAX, 'too-large');
  return open(key, i, FRAME, sealed);
}

const FIRST: Record<Frame['kind'], number> = {
  more: 0x00,
  text: 0x01,
  binary: 0x02,
  close: 0x88,
  ping: 0x89,
  pong: 0x8a,
};

/** §13.4 */
export function framePlaintext(frame: Frame): Bytes {
  if (frame.kind === 'close') {
    return frame.code === undefined ? uint(1, 0x88) : join(uint(1, 0x88), uint(2, frame.code), frame.reason ?? NONE);
  }
  const first = FIRST[frame.kind] + (frame.final === true ? 0x80 : 0);
  return join(uint(1, first), frame.data ?? NONE);
}

/** §13.4: the frames of one direction from its first on. */
export function readFrames(plaintexts: Bytes[]): Frame[] {
  let inMessage = false;
  let closed = false;
  return plaintexts.map((plaintext) => {
    require(!closed && plaintext.length > 0, 'malformed');
    const first = plaintext[0] as number;
    const data = plaintext.subarray(1);
    const control = (['close', 'ping', 'pong'] as const).find((kind) => FIRST[kind] === first);
    if (control !== undefined) {
      require(data.length <= 125, 'malformed');
      closed = control === 'close';
      return closed ? readClose(data) : { kind: control, data };
    }
    const kind = (['more', 'text', 'binary'] as const).find((one) => FIRST[one] === (first & 0x7f));
    require(kind !== undefined, 'malformed');
    const final = first >= 0x80;
    require((kind === 'more') === inMessage && data.length <= 65_535 && (final || data.length > 0), 'malformed');
    inMessage = !final;
    return { kind: kind as 'more', final, data };
  });
}

function readClose(data: Bytes): Frame {
  if (data.length === 0) return { kind: 'close' };
  require(data.length >= 2, 'malformed');
  const code = new Cursor(data).uint(2);
  const listed = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  require(listed.includes(code) || (code >= 3000 && code <= 4999), 'malformed');
  const reason = data.subarray(2);
  const asText = new TextDecoder('utf-8', { ignoreBOM: true }).decode(reason);
  require(Buffer.from(asText).equals(reason), 'malformed');
  return { kind: 'close', code, reason };
}
