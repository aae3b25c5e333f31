// Every parser that reads untrusted bytes.
import type { Target } from '../engine/target.ts';
import { BHTTP_TARGETS } from './bhttp.ts';
import { CLIENT_TARGETS } from './client.ts';
import { COOKIE_TARGETS } from './cookies.ts';
import { HTTP_TARGETS } from './http.ts';
import { MESSAGE_TARGETS } from './messages.ts';
import { PAIRING_TARGETS } from './pairing.ts';
import { SETTINGS_TARGETS } from './settings.ts';
import { WEBSOCKET_TARGETS } from './websocket.ts';

export const TARGETS: readonly Target[] = [
  ...MESSAGE_TARGETS,
  ...PAIRING_TARGETS,
  ...BHTTP_TARGETS,
  ...WEBSOCKET_TARGETS,
  ...HTTP_TARGETS,
  ...COOKIE_TARGETS,
  ...SETTINGS_TARGETS,
  ...CLIENT_TARGETS,
];
