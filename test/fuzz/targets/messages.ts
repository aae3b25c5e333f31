// Sealed messages (SPEC §5.1 to §5.4, §7): headers, chunks in any splitting, requests, responses, cancels; and integers.
import {
  type Bytes,
  ChunkSplitter,
  concatBytes,
  decodeCancel,
  decodeCancelResult,
  encodeCancel,
  encodeCancelResult,
  encodeMessageHeader,
  MESSAGE_HEADER_BYTES,
  parseMessageHeader,
  RequestOpener,
  SealedExchange,
  utf8Text,
} from '@mte-relay/protocol';
import { nodeSuite, xwingKeyPairFromSeed } from '@mte-relay/protocol/node';
import { withRandomness } from '../../../conformance/run/fixed-suite.ts';
import { Cursor, varint } from '../../../conformance/twin/bytes.ts';
import * as twin from '../../../conformance/twin/messages.ts';
import { ByteReader, readVarint, varintSizeFromFirst, writeVarint } from '../../../packages/protocol/src/wire.ts';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import {
  cut,
  fromHex,
  holds,
  outcomeOf,
  parsed,
  parsedLater,
  type Result,
  same,
  type Target,
  texts,
} from '../engine/target.ts';
import { shortOnes, vectors } from './vectors.ts';

const suite = nodeSuite();
const { session, cases } = vectors('messages');
const requestSecretBytes = fromHex(session.requestSecret);
const responseSecretBytes = fromHex(session.responseSecret);
const requestSecret = suite.importExpandKey(requestSecretBytes);
const keys = { sid: fromHex(session.sid), requestSecret, responseSecret: suite.importExpandKey(responseSecretBytes) };

/** The twin is slow. */
const TWIN_ONE_IN = 16;
const INPUT_MAX_BYTES = 3000;

const requests = shortOnes(
  cases.map(({ request }) => request),
  INPUT_MAX_BYTES,
);
const responses = cases.filter(({ response }) => typeof response === 'string' && response.length < 2 * INPUT_MAX_BYTES);

/** Pieces of ciphertext by the splitter, and the final one. */
function splitterPieces(pieces: readonly Bytes[]): Bytes[] {
  const splitter = new ChunkSplitter();
  const found: Bytes[] = [];
  for (const piece of pieces) {
    splitter.push(piece);
    for (let chunk = splitter.next(); chunk; chunk = splitter.next()) found.push(chunk.slice());
  }
  found.push(splitter.end().slice());
  return found;
}

const splitter: Target = {
  name: 'chunk splitter',
  corpus: requests.map((message) => message.subarray(MESSAGE_HEADER_BYTES)),
  dictionary: texts('\0', '\x10', '\x11', '\x40\x40', '\x80\x01\x00\x10', '\x80\x01\x00\x11', '\xc0\0\0\0\0\0\0\x11'),
  maxBytes: 140_000,
  check(input, choices) {
    const whole = parsed(() => splitterPieces([input]));
    same(
      parsed(() => splitterPieces(cut(input, choices))),
      whole,
      'chunks are the same in pieces of any size',
    );
    if (whole.code === undefined) {
      const framed = whole.value.map((chunk, at, all) =>
        concatBytes([new Uint8Array(at === all.length - 1 ? [0] : varint(chunk.length)), chunk]),
      );
      same(concatBytes(framed), input, 'framed again, chunks are the same bytes');
    }
    return whole.code ?? `${Math.min(whole.value.length, 6)} chunks`;
  },
};

function openedRequest(message: Bytes, pieces: readonly Bytes[]): Bytes[] {
  const opener = new RequestOpener(requestSecret, parseMessageHeader(message));
  const opened: Bytes[] = [];
  for (const piece of pieces) {
    opener.push(piece);
    for (let chunk = opener.next(); chunk; chunk = opener.next()) opened.push(chunk);
  }
  return [...opened, opener.end()];
}

const request: Target = {
  name: 'sealed request',
  corpus: requests,
  dictionary: texts('\0', '\x01\x01', '\x01\x02', '\x01\x03'),
  check(input, choices) {
    const body = input.subarray(MESSAGE_HEADER_BYTES);
    const whole = parsed(() => openedRequest(input, [body]));
    same(
      parsed(() => openedRequest(input, cut(body, choices))),
      whole,
      'a request is the same in pieces of any size',
    );
    if (whole.code === undefined) holds(isOneOf(requests, input), 'only an unchanged request opens');
    if (choices.below(TWIN_ONE_IN) === 0) {
      same(
        whole,
        parsed(() => twin.openRequest(requestSecretBytes, input).plaintexts),
        'opener and twin agree',
      );
    }
    return outcomeOf(whole);
  },
};

/** The exchange that a case's response belongs to. */
async function exchangeOf({ type, n, nonce }: (typeof cases)[number]): Promise<SealedExchange> {
  const provider = { suite, keyPair: xwingKeyPairFromSeed };
  return SealedExchange.begin(withRandomness(provider, { bytes: [fromHex(nonce)] }), keys, type, n);
}

const exchanges = await Promise.all(responses.map(exchangeOf));
const responseBytes = shortOnes(
  responses.map(({ response }) => response),
  INPUT_MAX_BYTES,
);

async function openedResponse(exchange: SealedExchange, pieces: readonly Bytes[]): Promise<Bytes[]> {
  const opened: Bytes[] = [];
  async function* source(): AsyncGenerator<Bytes> {
    yield* pieces;
  }
  for await (const plaintext of exchange.openResponse(source())) opened.push(plaintext);
  return opened;
}

const response: Target = {
  name: 'sealed response',
  corpus: responseBytes,
  dictionary: texts('\0'),
  async check(input, choices) {
    const at = choices.below(exchanges.length);
    const exchange = exchanges[at] as SealedExchange;
    const whole = await parsedLater(() => openedResponse(exchange, [input]));
    const split = await parsedLater(() => openedResponse(exchange, cut(input, choices)));
    same(split, whole, 'a response is the same in pieces of any size');
    if (whole.code === undefined) holds(isOneOf([responseBytes[at] as Bytes], input), 'only its own response opens');
    if (choices.below(TWIN_ONE_IN) === 0) {
      const header = exchange.header;
      same(
        whole,
        parsed(() => twin.openResponse(responseSecretBytes, header, input)),
        'client and twin agree',
      );
    }
    return outcomeOf(whole);
  },
};

const header: Target = {
  name: 'message header',
  corpus: requests.map((message) => message.subarray(0, MESSAGE_HEADER_BYTES)),
  dictionary: texts('\x01\x01', '\x01\x02', '\x01\x03', '\x02', '\0\x1f\xff\xff\xff\xff\xff\xff', '\0\x20\0\0\0\0\0\0'),
  maxBytes: 100,
  check(input) {
    const result = parsed(() => parseMessageHeader(input, [1, 2, 3]));
    if (result.code === undefined) {
      const { type, sid, n, bytes } = result.value;
      const nonce = bytes.slice(26);
      same(encodeMessageHeader(type, sid, n, nonce), bytes, 'encoded again, a header is the same');
      same(bytes, input.subarray(0, MESSAGE_HEADER_BYTES), 'a header is the first 42 bytes');
    }
    return outcomeOf(result);
  },
};

const cancel: Target = {
  name: 'cancel',
  corpus: vectors('messages').cancels.flatMap(({ plaintext, cancelled }) => [fromHex(plaintext), fromHex(cancelled)]),
  dictionary: texts('\0\x1f\xff\xff\xff\xff\xff\xff', '\0\x20\0\0\0\0\0\0'),
  maxBytes: 20,
  check(input, choices) {
    const asked = parsed(() => decodeCancel(input));
    same(
      asked,
      parsed(() => twin.cancelTarget(input)),
      'cancel: relay and twin agree',
    );
    if (asked.code === undefined) same(encodeCancel(asked.value), input, 'encoded again, a cancel is the same');
    const n = namedIn(input, choices);
    const result = parsed(() => decodeCancelResult(input, n));
    same(
      result,
      parsed(() => twin.wasCancelled(input, n)),
      'result of a cancel: client and twin agree',
    );
    if (result.code === undefined)
      same(encodeCancelResult(n, result.value), input, 'encoded again, a result is the same');
    return `${outcomeOf(asked)}, ${result.code ?? result.value}`;
  },
};

/** Often the number that the input names. */
function namedIn(input: Bytes, choices: SeededRandom): number {
  const named: Result<number> = parsed(() => new Cursor(input).uint(8));
  return named.code === undefined && choices.below(4) > 0 ? named.value : choices.below(4);
}

const integers: Target = {
  name: 'varints and integers',
  corpus: [
    [0],
    [63],
    [64, 64],
    [127, 255],
    [128, 0, 64, 0],
    [192, 0, 0, 0, 64, 0, 0, 0],
    [192, 32, 0, 0, 0, 0, 0, 0],
  ].map((bytes) => new Uint8Array(bytes)),
  maxBytes: 64,
  check(input, choices) {
    const size = varintSizeFromFirst(input[0] ?? 0);
    const read = parsed(() => {
      new ByteReader(input, 'input').take(size);
      return readVarint(input, 0, size);
    });
    same(
      read,
      parsed(() => new Cursor(input).varint()),
      'varint: reader and twin agree',
    );
    if (read.code === undefined) {
      const written = new Uint8Array(8);
      const end = writeVarint(written, 0, read.value);
      same(written.subarray(0, end), varint(read.value), 'varint: writer and twin agree');
      holds(end <= size, 'a varint is written in its shortest form');
    }
    const width = choices.pick([1, 2, 4, 8]);
    const uint = parsed(() => new ByteReader(input, 'input').uint(width));
    same(
      uint,
      parsed(() => new Cursor(input).uint(width)),
      'integer: reader and twin agree',
    );
    return `${outcomeOf(read)}, ${outcomeOf(uint)}, ${utf8(input)}`;
  },
};

/** Agrees with the platform's decoder. */
function utf8(input: Bytes): string {
  const expected = textOrError(() => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input));
  same(
    textOrError(() => utf8Text(input)),
    expected,
    'UTF-8: reader and platform agree',
  );
  return expected === undefined ? 'not UTF-8' : 'UTF-8';
}

function textOrError(decode: () => string): string | undefined {
  try {
    return decode();
  } catch (error) {
    holds(error instanceof URIError || error instanceof TypeError, `threw ${error}`);
    return undefined;
  }
}

function isOneOf(valid: readonly Bytes[], input: Bytes): boolean {
  return valid.some((one) => Buffer.compare(one, input) === 0);
}

export const MESSAGE_TARGETS: readonly Target[] = [splitter, request, response, header, cancel, integers];
