// Programs outside of browsers on runtimes with the web's interfaces (Deno, Bun): crypto by WebCrypto and noble, uploads
// streamed by fetch, no page and no cookies of their own.
import { webcryptoSuite } from '@mte-relay/protocol/webcrypto';
import { failedBeforeSending } from './never-sent.ts';
import type { Platform } from './platform.ts';
import { strictRequest } from './strict-request.ts';
import { streamOf } from './uploads/stream.ts';

export const platform: Platform = {
  makeSuite: webcryptoSuite,
  pairingFlags: 0,
  uploads: { stream: streamOf },
  baseUrl: (relayOrigin) => relayOrigin,
  defaultFields: () => [['user-agent', 'mte-relay']],
  keepClientId: async (_relayOrigin, token) => token, // a program that wants one identity keeps one client
  fetchInit: ({ body }) => (body instanceof ReadableStream ? { duplex: 'half' } : undefined),
  neverSent: failedBeforeSending,
  postWithProgress: undefined,
  makeRequest: strictRequest,
};
