// Cases of SPEC §5.5: Binary HTTP as it is encoded, decoded in pieces, and refused.
import {
  BhttpDecoder,
  type Bytes,
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
import type { BhttpCase, BhttpRefusedCase } from '../format.ts';
import { hex, join } from '../twin/bytes.ts';
import { type Case, CUTS, cut, expectSame, outcome, unhex } from './case.ts';

export function bhttpCases(cases: readonly BhttpCase[], refused: readonly BhttpRefusedCase[]): Case[] {
  return [
    ...cases
      .filter((one) => one.form !== 'decode')
      .map((one) => ({
        name: `Binary HTTP encodes: ${one.name}`,
        run: () => expectSame(hex(one.form === 'known' ? encodeKnown(one) : encodeStreamed(one)), one.encoded),
      })),
    ...cases.map((one) => ({ name: `Binary HTTP decodes: ${one.name}`, run: () => decode(one) })),
    ...refused.map(({ name, kind, encoded, expect }) => ({
      name: `Binary HTTP refuses: ${name}`,
      async run() {
        const bytes = unhex(encoded);
        for (const size of CUTS) expectSame(await outcome(() => decodeCut(kind, bytes, size)), expect);
      },
    })),
  ];
}

function requestHead(one: BhttpCase): RequestHead {
  const { method, scheme, authority, path, headers } = one as Required<BhttpCase>;
  return { method, scheme, authority, path, headers };
}

function responseHead(one: BhttpCase): ResponseHead {
  return { status: one.status as number, headers: one.headers };
}

function encodeKnown(one: BhttpCase): Bytes {
  const options = {
    trailers: one.trailers,
    padToMultipleBytes: one.padToMultiple ?? 0,
    informational: one.informational ?? [],
  };
  const content = unhex(one.content);
  return one.kind === 'request'
    ? encodeRequest(requestHead(one), content, options)
    : encodeResponse(responseHead(one), content, options);
}

function encodeStreamed(one: BhttpCase): Uint8Array {
  const content = unhex(one.content);
  let at = 0;
  const pieces = (one.pieces as number[]).map((length) => {
    at += length;
    return encodeContent(content.subarray(at - length, at));
  });
  const start =
    one.kind === 'request'
      ? encodeRequestStart(requestHead(one))
      : encodeResponseStart(responseHead(one), one.informational ?? []);
  return join(start, ...pieces, encodeEnd(one.trailers));
}

function decode(one: BhttpCase): void {
  const expected = {
    head: one.kind === 'request' ? requestHead(one) : responseHead(one),
    content: one.content,
    trailers: one.trailers,
    informational: one.informational ?? [],
  };
  for (const size of CUTS) expectSame(decodeCut(one.kind, unhex(one.encoded), size), expected);
  const whole = decodeWhole(one.kind, unhex(one.encoded));
  expectSame({ ...whole, content: hex(whole.content) }, expected);
}

/** Decodes a message that comes in pieces of this size. */
export function decodeCut(kind: 'request' | 'response', bytes: Bytes, size: number) {
  const content: Uint8Array[] = [];
  const informational: ResponseHead[] = [];
  let head: RequestHead | ResponseHead | undefined;
  let trailers: Fields | undefined;
  const decoder: BhttpDecoder<RequestHead | ResponseHead> = new BhttpDecoder(kind, {
    onInformational: (response) => void informational.push(response),
    onHead: (decoded) => {
      head = decoded;
    },
    onContent: (piece) => void content.push(new Uint8Array(piece)),
    onEnd: (fields) => {
      trailers = fields;
    },
  });
  for (const piece of cut(bytes, size)) decoder.push(piece);
  decoder.end();
  return { head, content: hex(join(...content)), trailers, informational };
}
