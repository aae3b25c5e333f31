// The syntax of parts of HTTP messages.

/** A token (RFC 9110 §5.6.2): a method, a field name, a WebSocket's subprotocol. */
export const TOKEN: RegExp = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A field name in Binary HTTP (RFC 9292 §3.6): a token in lower case. */
export const FIELD_NAME: RegExp = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** A field value, one character per byte (RFC 9110 §5.5, RFC 9113 §8.2.1). */
export const FIELD_VALUE: RegExp = /^[\t\x20-\x7e\x80-\xff]*$/;
