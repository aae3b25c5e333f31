// Node: crypto by OpenSSL, uploads streamed by fetch (undici), without a page and without cookies.
import { nodeSuite } from '@mte-relay/protocol/node';
import type { Platform } from './platform.ts';
import { platform as web } from './web.ts';

export const platform: Platform = { ...web, makeSuite: nodeSuite, makeRequest: undefined };
