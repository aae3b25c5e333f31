// SPEC §5.1 to §5.4: headers, message keys and chunks; SPEC §7: cancels. Whole messages at once.
import { type Bytes, Cursor, join, NONE, text, uint, varint } from './bytes.ts';
import { expand, open, seal } from './primitives.ts';
import { require } from './refused.ts';

const PLAINTEXT_MAX = 65_536;
const CIPHERTEXT_MAX = PLAINTEXT_MAX + 16;

/** §5.1 */
export function header(type: number, sid: Bytes, n: number | bigint, nonce: Bytes): Bytes {
  return join(uint(1, 1), uint(1, type), sid, uint(8, n), nonce);
}

/** §5.1 */
function parseHeader(message: Bytes): { type: number; sid: Bytes; n: number; bytes: Bytes } {
  if (message.length > 0) require(message[0] === 1, 'version-unsupported');
  const cursor = new Cursor(message);
  const bytes = cursor.take(42);
  cursor.at = 1;
  const type = cursor.uint(1);
  require(type === 1 || type === 2, 'malformed');
  return { type, sid: cursor.take(16), n: cursor.uint(8), bytes };
}

/** §4 */
export function requestKey(secret: Bytes, headerBytes: Bytes): Bytes {
  return expand(secret, join(text('req'), headerBytes));
}

/** §4 */
export function responseKey(secret: Bytes, headerBytes: Bytes, responseNonce: Bytes): Bytes {
  return expand(secret, join(text('res'), headerBytes, responseNonce));
}

/** §5.3: the last of `plaintexts` is the final chunk's. */
export function sealChunks(key: Bytes, plaintexts: Bytes[]): Bytes {
  const last = plaintexts.length - 1;
  return join(
    ...plaintexts.map((plaintext, i) => {
      if (i === last) return join(varint(0), seal(key, i, text('final'), plaintext));
      const ciphertext = seal(key, i, NONE, plaintext);
      return join(varint(ciphertext.length), ciphertext);
    }),
  );
}

/** §5.3: every plaintext, the final chunk's last. */
function openChunks(key: Bytes, body: Bytes): Bytes[] {
  const cursor = new Cursor(body);
  const plaintexts: Bytes[] = [];
  for (;;) {
    const before = cursor.at;
    const length = cursor.varint();
    const isShortest = cursor.at - before === varint(length).length;
    require(isShortest, 'malformed');
    if (length === 0) break;
    require(length > 16, 'malformed');
    require(length <= CIPHERTEXT_MAX, 'too-large');
    plaintexts.push(open(key, plaintexts.length, NONE, cursor.take(length)));
  }
  require(cursor.left <= CIPHERTEXT_MAX, 'too-large');
  plaintexts.push(open(key, plaintexts.length, text('final'), cursor.rest()));
  return plaintexts;
}

/** §5.2 */
export function openRequest(requestSecret: Bytes, message: Bytes) {
  const parsed = parseHeader(message);
  return { ...parsed, plaintexts: openChunks(requestKey(requestSecret, parsed.bytes), message.subarray(42)) };
}

/** §5.4 */
export function openResponse(responseSecret: Bytes, requestHeader: Bytes, response: Bytes): Bytes[] {
  const cursor = new Cursor(response);
  const key = responseKey(responseSecret, requestHeader, cursor.take(16));
  return openChunks(key, cursor.rest());
}

/** §7 */
export function cancelPlaintext(n: number): Bytes {
  return uint(8, n);
}

/** §7 */
export function cancelTarget(plaintext: Bytes): number {
  require(plaintext.length === 8, 'malformed');
  return new Cursor(plaintext).uint(8);
}

/** §7 */
export function cancelResult(n: number, result: 0 | 1): Bytes {
  return join(uint(8, n), uint(1, result));
}

/** §7: true when the result for this number is "cancelled". */
export function wasCancelled(plaintext: Bytes, n: number): boolean {
  require(plaintext.length === 9, 'malformed');
  const cursor = new Cursor(plaintext);
  require(cursor.uint(8) === n, 'malformed');
  const result = cursor.uint(1);
  require(result === 0 || result === 1, 'malformed');
  return result === 0;
}
