// Parts of a Response that all platforms share, with or without streams.
import type { Bytes, Fields, ResponseHead } from '@mte-relay/protocol';
import type { Progress } from '../api/types.ts';

/** Fetch §2.2.3, except 101, which the inner protocol does not carry. */
export const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

/** An authenticated response whose content is opened as it is read. */
export interface OpenedResponse {
  readonly head: ResponseHead;
  /** The next piece of content, undefined after the last one. Throws unless the response is complete. */
  next(): Promise<Bytes | undefined>;
}

/** Properties of a Response that come from its request. */
export interface ResponseFacts {
  readonly method: string;
  readonly url: string;
  readonly redirected: boolean;
  /** As in fetch: `basic` if the page and the relay have the same origin. */
  readonly type: 'basic' | 'cors';
  readonly onDownloadProgress: ((progress: Progress) => void) | undefined;
}

/** Reports download progress. The function it returns takes the size of each piece. */
export function progressOf(headers: Fields, { onDownloadProgress }: ResponseFacts): (bytes: number) => void {
  const length = fieldOf(headers, 'content-length');
  const totalBytes = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
  let loadedBytes = 0;
  return (bytes) => {
    loadedBytes += bytes;
    onDownloadProgress?.(totalBytes === undefined ? { loadedBytes } : { loadedBytes, totalBytes });
  };
}

/** The first value of a field. */
export function fieldOf(fields: Fields, name: string): string | undefined {
  return fields.find(([candidate]) => candidate === name)?.[1];
}
