// Binary HTTP (SPEC §5.5): decoders of both kinds against the twin and against themselves in any splitting, and encoders
// of random messages.
import {
  BhttpDecoder,
  type Bytes,
  concatBytes,
  decodeResponseHead,
  decodeWhole,
  encodeContent,
  encodeEnd,
  encodeRequest,
  encodeRequestStart,
  encodeResponse,
  encodeResponseStart,
  type Fields,
  type RequestHead,
  type ResponseHead,
} from '@mte-relay/protocol';
import fc from 'fast-check';
import * as twin from '../../../conformance/twin/bhttp.ts';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import {
  fields,
  informational,
  requestHead,
  responseHead,
} from '../../../packages/protocol/test/support/http-messages.ts';
import { cut, fromHex, holds, outcomeOf, parsed, type Result, same, type Target, texts } from '../engine/target.ts';
import { vectors } from './vectors.ts';

/** A decoded message, both kinds alike. */
interface Decoded {
  readonly heads: readonly unknown[];
  readonly content: Bytes;
  readonly trailers: Fields;
}

/** Compared with the twin: it is slow. */
const TWIN_INPUT_MAX_BYTES = 1500;

function decodePieces(kind: 'request' | 'response', pieces: readonly Bytes[]): Decoded {
  const heads: unknown[] = [];
  const content: Bytes[] = [];
  let trailers: Fields | undefined;
  const decoder = new BhttpDecoder<RequestHead | ResponseHead>(kind, {
    onInformational: (head) => heads.push(head),
    onHead: (head) => heads.push(head),
    onContent: (piece) => content.push(piece),
    onEnd: (given) => {
      holds(trailers === undefined, 'a message ends once');
      trailers = given;
    },
  });
  for (const piece of pieces) decoder.push(piece);
  decoder.end();
  holds(trailers !== undefined, 'a complete message has ended');
  return { heads, content: concatBytes([new Uint8Array(0), ...content]), trailers };
}

function twinDecoded(kind: 'request' | 'response', input: Bytes): Decoded {
  const { informational: before = [], content, trailers, status, headers, ...control } = twin.decode(kind, input);
  const head = kind === 'response' ? { status, headers } : { ...control, headers };
  return { heads: [...before, head], content: content as Bytes, trailers };
}

/** What the message is as a request or response, encoded again. */
function encodedAgain(kind: 'request' | 'response', { heads, content, trailers }: Decoded): Bytes {
  if (kind === 'request') return encodeRequest(heads[0] as RequestHead, content, { trailers });
  return encodeResponse(heads.at(-1) as ResponseHead, content, {
    trailers,
    informational: heads.slice(0, -1) as ResponseHead[],
  });
}

function shapeOf(result: Result<Decoded>): string {
  if (result.code !== undefined) return result.code;
  const { heads, content, trailers } = result.value;
  return `${Math.min(heads.length, 4)} heads, ${content.length > 0 ? 'content' : ''}, ${Math.min(trailers.length, 3)}`;
}

function decoderTarget(kind: 'request' | 'response'): Target {
  const files = [...vectors('bhttp').cases, ...vectors('bhttp-refused').cases];
  return {
    name: `bhttp ${kind}`,
    corpus: files
      .filter((one) => one.kind === kind && one.encoded.length < 8000)
      .map(({ encoded }) => fromHex(encoded)),
    dictionary: texts(
      'GET',
      'https',
      'relay.example',
      '/a',
      '*',
      'cookie',
      'te',
      '\0',
      '\x40\x00',
      '\x80\0\0\0',
      '\xc0',
    ),
    check(input, choices) {
      const whole = parsed(() => decodePieces(kind, [input]));
      const split = parsed(() => decodePieces(kind, cut(input, choices)));
      same(split, whole, 'a message is the same in pieces of any size');
      if (input.length <= TWIN_INPUT_MAX_BYTES && choices.below(4) === 0) {
        same(
          whole,
          parsed(() => twinDecoded(kind, input)),
          'decoder and twin agree',
        );
      }
      if (whole.code === undefined) {
        const { content, heads, trailers } = whole.value;
        holds(content.length <= input.length, 'content is a part of the message');
        const again = parsed(() => decodePieces(kind, [encodedAgain(kind, whole.value)]));
        same(again, { value: { heads, content, trailers } }, 'encoded again, a message is the same');
        if (kind === 'response') same(decodeResponseHead(input), heads.at(-1), 'its head alone is the same');
      }
      return shapeOf(whole);
    },
  };
}

const SAMPLES = { seed: 1, numRuns: 150 };
const requestHeads = fc.sample(requestHead, SAMPLES);
const responseHeads = fc.sample(responseHead, SAMPLES);
const sections = [[], [], ...fc.sample(fields, SAMPLES)];
const informationals = [[], [], ...fc.sample(informational, SAMPLES)];

/** Random messages; the input is their content. */
function encoderTarget(kind: 'request' | 'response'): Target {
  const encode = (content: Bytes, choices: SeededRandom): [Decoded, Bytes] => {
    const trailers = choices.pick(sections);
    const before = kind === 'response' ? choices.pick(informationals) : [];
    const head = kind === 'response' ? choices.pick(responseHeads) : choices.pick(requestHeads);
    const message = { heads: [...before, head], content, trailers };
    if (choices.below(2) === 0) {
      const padToMultipleBytes = choices.pick([0, 0, 1, 16, 512]);
      const options = { trailers, padToMultipleBytes, informational: before };
      if (kind === 'request') return [message, encodeRequest(head as RequestHead, content, options)];
      return [message, encodeResponse(head as ResponseHead, content, options)];
    }
    const start =
      kind === 'request' ? encodeRequestStart(head as RequestHead) : encodeResponseStart(head as ResponseHead, before);
    const pieces = cut(content, choices).map((piece) => encodeContent(piece));
    return [message, concatBytes([start, ...pieces, encodeEnd(trailers)])];
  };
  return {
    name: `bhttp encoder of ${kind}s`,
    corpus: texts('', 'a', 'content', '\0'.repeat(70), 'x'.repeat(700)),
    check(input, choices) {
      const [message, encoded] = encode(input, choices);
      const decoded = parsed(() => decodePieces(kind, cut(encoded, choices)));
      same(decoded, { value: message }, 'decoded, a message is the one that was encoded');
      const whole = kind === 'request' ? decodeWhole<RequestHead>('request', encoded) : undefined;
      if (whole) same(whole.head, message.heads[0], 'decoded at once, its head is the same');
      if (encoded.length <= TWIN_INPUT_MAX_BYTES && choices.below(8) === 0) {
        same(
          parsed(() => twinDecoded(kind, encoded)),
          decoded,
          'decoder and twin agree',
        );
      }
      return outcomeOf(decoded);
    },
  };
}

export const BHTTP_TARGETS: readonly Target[] = [
  decoderTarget('request'),
  decoderTarget('response'),
  encoderTarget('request'),
  encoderTarget('response'),
];
