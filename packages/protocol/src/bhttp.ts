// Binary HTTP (RFC 9292) as a stream: both directions, known and indeterminate length.
export * from './bhttp/decode.ts';
export * from './bhttp/encode.ts';
export type { Fields, RequestHead, ResponseHead } from './bhttp/parts.ts';
