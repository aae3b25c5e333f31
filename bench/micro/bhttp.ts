// Binary HTTP of one exchange, 1 KiB of content each way.
import { decodeWhole, encodeRequest, encodeResponse, type RequestHead, type ResponseHead } from '@mte-relay/protocol';
import { bench, group } from 'mitata';
import { content, requestHead, responseHead } from './fixtures.ts';

const request = encodeRequest(requestHead, content);
const response = encodeResponse(responseHead, content);

group(() => {
  bench('bhttp encode request', () => encodeRequest(requestHead, content));
  bench('bhttp decode request', () => decodeWhole<RequestHead>('request', request));
  bench('bhttp encode response', () => encodeResponse(responseHead, content));
  bench('bhttp decode response', () => decodeWhole<ResponseHead>('response', response));
});
