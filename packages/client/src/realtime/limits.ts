// How much of an incomplete message the client buffers. The relay also limits the messages of a WebSocket, by its setting
// WEBSOCKET_MESSAGE_MAX_BYTES, but not the events of a stream.

/** Bytes of a WebSocket's message, or characters of a stream's event: 64 Mi. */
export const MESSAGE_MAX = 67_108_864;
