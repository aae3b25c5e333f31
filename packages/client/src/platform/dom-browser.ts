// A browser's own events and errors (DOM §2): what dom.ts gives where it need not look.

type EventKind = 'Event' | 'MessageEvent' | 'CloseEvent' | 'ErrorEvent';

export function makeEvent(kind: EventKind, type: string, fields?: object): Event {
  return new globalThis[kind](type, fields);
}

export function domError(name: string, message: string): Error {
  return new DOMException(message, name);
}

/** Text of UTF-8, byte order mark and all. Throws for bytes that are none. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

export const EventTargetBase: typeof EventTarget = EventTarget;
