// WebSocket close codes that both sides use (RFC 6455 §7.4.1, and its registry, §11.7).

/** The connection has done what it was for. */
export const CLOSE_NORMAL = 1000;
/** The endpoint goes away: a page that is left, a relay that closes, keys that are used up. */
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
/** Never in a frame: the close frame had no code. */
export const CLOSE_NO_STATUS = 1005;
/** Never in a frame: the connection ended without a close frame. */
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_MESSAGE_TOO_BIG = 1009;
/** A gateway's upstream broke off; on the registry alone. */
export const CLOSE_BAD_GATEWAY = 1014;
/** A refusal on the outer hop closes with this and its status (SPEC §13.5). */
export const OUTER_CLOSE_BASE = 4000;
