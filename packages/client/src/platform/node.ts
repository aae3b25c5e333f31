// Node: crypto by OpenSSL, uploads streamed by fetch (undici), no page and no cookies of its own.
import { nodeSuite } from '@mte-relay/protocol/node';
import type { Platform } from './platform.ts';
import { platform as web } from './web.ts';

export const platform: Platform = { ...web, makeSuite: nodeSuite, makeRequest: undefined };
