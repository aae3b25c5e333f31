// A browser's own events and errors (DOM §2): dom.ts without its checks for missing classes.

type EventKind = 'Event' | 'MessageEvent' | 'CloseEvent' | 'ErrorEvent';

export function makeEvent(kind: EventKind, type: string, fields?: object): Event {
  return new globalThis[kind](type, fields);
}

export function domError(name: string, message: string): Error {
  return new DOMException(message, name);
}

/** Decodes UTF-8 and keeps a byte order mark. Throws for bytes that are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

export const EventTargetBase: typeof EventTarget = EventTarget;
