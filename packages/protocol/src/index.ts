// The exports of mte-relay/1. The providers have their own entries (/webcrypto, /noble, /node). The Noise engine's state
// stays inside a pairing; tests import it by path.
export * from './bhttp.ts';
export { ChunkOpener, ChunkSealer, ChunkSplitter, openChunks, sealChunks } from './chunks.ts';
export * from './close-codes.ts';
export { failedToConnect } from './connect-errors.ts';
export * from './constants.ts';
export * from './errors.ts';
export * from './http-syntax.ts';
export {
  deriveSessionSecrets,
  requestKey,
  responseKey,
  type SessionSecrets,
  webSocketRequestKey,
  webSocketResponseKey,
} from './key-schedule.ts';
export * from './message.ts';
export * from './methods.ts';
export * from './pairing.ts';
export * from './pin.ts';
export { type Claim, ReplayWindow } from './replay-window.ts';
export type * from './suite.ts';
export * from './websocket.ts';
export { asciiBytes, type Bytes, concatBytes, copyBytes, emptyBytes, equalBytes, utf8Text } from './wire.ts';
export * from './worker-configuration.ts';
