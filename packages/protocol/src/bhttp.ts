// Binary HTTP (RFC 9292), both directions, known and indeterminate length, as a stream: table of contents.
export * from './bhttp/decode.ts';
export * from './bhttp/encode.ts';
export type { Fields, RequestHead, ResponseHead } from './bhttp/parts.ts';
