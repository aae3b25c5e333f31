// WebSocket close codes that both sides use (RFC 6455 §7.4.1, and its registry, §11.7).

/** Normal closure. */
export const CLOSE_NORMAL = 1000;
/** Going away: the user leaves the page, the relay shuts down, or the keys are used up. */
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
/** Never in a frame: the close frame had no code. */
export const CLOSE_NO_STATUS = 1005;
/** Never in a frame: the connection ended without a close frame. */
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_MESSAGE_TOO_BIG = 1009;
/** Bad gateway: the upstream failed. Defined in the registry only. */
export const CLOSE_BAD_GATEWAY = 1014;
/** A refusal on the outer hop closes with this and its status (SPEC §13.5). */
export const OUTER_CLOSE_BASE = 4000;
