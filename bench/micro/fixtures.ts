// Inputs that the micro benches share: the three providers, a session's keys, and one exchange of 1 KiB each way.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  type Bytes,
  encodeMessageHeader,
  MESSAGE_TYPE_EXCHANGE,
  type RequestHead,
  type ResponseHead,
  type Suite,
} from '@mte-relay/protocol';
import { nobleSuite } from '@mte-relay/protocol/noble';
import { nodeSuite } from '@mte-relay/protocol/node';
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';

export const node = nodeSuite();
export const suites: readonly Suite[] = [node, webcryptoSuite(), nobleSuite()];

export function random(length: number): Bytes {
  return new Uint8Array(randomBytes(length));
}

export const header: Bytes = encodeMessageHeader(MESSAGE_TYPE_EXCHANGE, random(16), 7, random(16));
export const content: Bytes = new Uint8Array(Buffer.alloc(1024, '{"item":"x"}'));

export const requestHead: RequestHead = {
  method: 'POST',
  scheme: 'https',
  authority: 'relay.example',
  path: '/orders?page=2',
  headers: [
    ['content-type', 'application/json'],
    ['accept', 'application/json'],
    ['authorization', `Bearer ${'t'.repeat(120)}`],
    ['accept-language', 'en'],
  ],
};

export const responseHead: ResponseHead = {
  status: 200,
  headers: [
    ['content-type', 'application/json'],
    ['cache-control', 'no-store'],
    ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
    ['etag', '"5f-abcdef"'],
  ],
};
