// The relay's whole share of the sealing in one small exchange: open a request, seal its response.
import {
  ChunkSealer,
  concatBytes,
  decodeWhole,
  encodeRequest,
  encodeResponse,
  parseMessageHeader,
  type RequestHead,
  RequestOpener,
  ResponseSealer,
  requestKey,
} from '@mte-relay/protocol';
import { bench, group } from 'mitata';
import { content, header, node, random, requestHead, responseHead } from './fixtures.ts';

const requestSecret = node.importExpandKey(random(32));
const responseSecret = node.importExpandKey(random(32));
const ciphertext = new ChunkSealer(requestKey(requestSecret, header)).sealFinal(encodeRequest(requestHead, content));
const message = concatBytes([header, Uint8Array.of(0), ciphertext]);

function relayShare(): unknown {
  const parsed = parseMessageHeader(message);
  const opener = new RequestOpener(requestSecret, parsed);
  opener.push(message.subarray(header.length));
  if (opener.next()) throw new Error('expected a single chunk');
  const request = decodeWhole<RequestHead>('request', opener.end());
  return new ResponseSealer(node, responseSecret, parsed).sealFinal(encodeResponse(responseHead, request.content));
}

group(() => {
  bench('exchange, relay share, 1 KiB each way (node)', relayShare);
});
