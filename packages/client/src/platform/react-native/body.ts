// Request bodies in React Native, whole and in memory. A file of a form is `{uri, name, type}`, and the client reads the
// URI.
import { type Bytes, concatBytes, copyBytes } from '@mte-relay/protocol';
import { RelayClientError } from '../../api/errors.ts';
import { ofBytes, type RequestBody } from '../body.ts';
import type { PlainRequest } from './request.ts';

/** Throws RelayClientError `option-unsupported` for a body that React Native cannot read. */
export async function takeWholeBody(request: Request, given: unknown): Promise<RequestBody | undefined> {
  const { headers, inherited } = request as unknown as PlainRequest;
  const body = given ?? inherited;
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof URLSearchParams) return ofBytes(utf8(`${body}`));
  if (body instanceof ArrayBuffer) return ofBytes(new Uint8Array(body.slice(0)));
  if (ArrayBuffer.isView(body)) {
    return ofBytes(copyBytes(new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength)));
  }
  if (body instanceof Blob) return ofBytes(await bytesOfBlob(body));
  if (body instanceof FormData) {
    const boundary = `mte-relay-${hex(globalThis.crypto.getRandomValues(new Uint8Array(16)))}`;
    if (!headers.has('content-type')) headers.set('content-type', `multipart/form-data; boundary=${boundary}`);
    return ofBytes(await multipart(body as unknown as NativeFormData, boundary));
  }
  throw new RelayClientError('option-unsupported', 'React Native does not support streams: pass the whole body');
}

function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** React Native's FormData, whose parts have their own form. */
interface NativeFormData {
  getParts(): readonly ({ readonly fieldName: string; readonly headers: Readonly<Record<string, string>> } & (
    | { readonly string: string }
    | { readonly uri: string }
  ))[];
}

/** RFC 7578: each part with the fields that React Native gives it. */
async function multipart(form: NativeFormData, boundary: string): Promise<Bytes> {
  const pieces: Bytes[] = [];
  for (const part of form.getParts()) {
    const fields = Object.entries(part.headers).map(
      ([name, value]) => `${name}: ${value.replace(/[\r\n]+/g, ' ')}\r\n`,
    );
    pieces.push(utf8(`--${boundary}\r\n${fields.join('')}\r\n`));
    pieces.push('string' in part ? utf8(part.string) : await bytesAt(part.uri));
    pieces.push(utf8('\r\n'));
  }
  return concatBytes([...pieces, utf8(`--${boundary}--\r\n`)]);
}

/** Bytes of a file or content URI of the device. */
function bytesAt(uri: string): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', uri);
    xhr.responseType = 'arraybuffer';
    xhr.onload = () => resolve(new Uint8Array(xhr.response as ArrayBuffer));
    xhr.onerror = () => reject(new TypeError(`cannot read a form's file: ${uri}`));
    xhr.send();
  });
}

function bytesOfBlob(blob: Blob): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(new Uint8Array(reader.result as ArrayBuffer));
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}
