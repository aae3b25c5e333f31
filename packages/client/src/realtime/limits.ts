// What the client holds of one message that has not ended. The relay bounds the messages of a WebSocket too, by its setting
// WEBSOCKET_MESSAGE_MAX_BYTES; the events of a stream are nobody else's to bound.

/** Bytes of a WebSocket's message, or characters of a stream's event: 64 Mi. */
export const MESSAGE_MAX = 67_108_864;
