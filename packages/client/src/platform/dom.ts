// Events and errors of the DOM (DOM §2), also for runtimes that lack some of its classes, such as React Native. Browsers
// use dom-browser.ts.

import { utf8Text } from '@mte-relay/protocol';

type EventKind = 'Event' | 'MessageEvent' | 'CloseEvent' | 'ErrorEvent';
type EventClass = new (type: string, fields: object) => Event;
type Listener = ((event: Event) => void) | { handleEvent(event: Event): void };
type ListenerOptions = boolean | { readonly once?: boolean } | undefined;

/** An event of this kind, with these properties even where the runtime does not know them. */
export function makeEvent(kind: EventKind, type: string, fields: object = {}): Event {
  const classes = globalThis as unknown as Partial<Record<EventKind, EventClass>>;
  const Class = classes[kind] ?? classes.Event;
  const event = Class ? new Class(type, fields) : ({ type } as Event);
  for (const [name, value] of Object.entries(fields)) {
    if (!(name in event)) Object.defineProperty(event, name, { value });
  }
  return event;
}

/** The platform's DOMException, or an Error of that name. */
export function domError(name: string, message: string): Error {
  if (globalThis.DOMException) return new DOMException(message, name);
  return Object.assign(new Error(message), { name });
}

/** Decodes UTF-8 and keeps a byte order mark. Throws for bytes that are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  if (!globalThis.TextDecoder) return utf8Text(bytes);
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** An EventTarget without capturing, bubbling and `preventDefault`. */
class FlatEventTarget {
  readonly #listeners = new Map<string, Map<Listener, boolean>>();

  addEventListener(type: string, listener: Listener | null, options?: ListenerOptions): void {
    const listeners = this.#listeners.get(type) ?? new Map<Listener, boolean>();
    this.#listeners.set(type, listeners);
    const once = typeof options === 'object' && options.once === true;
    if (listener && !listeners.has(listener)) listeners.set(listener, once);
  }

  removeEventListener(type: string, listener: Listener | null): void {
    if (listener) this.#listeners.get(type)?.delete(listener);
  }

  dispatchEvent(event: Event): boolean {
    for (const name of ['target', 'currentTarget']) Object.defineProperty(event, name, { value: this });
    for (const [listener, once] of [...(this.#listeners.get(event.type) ?? [])]) {
      if (once) this.removeEventListener(event.type, listener);
      try {
        if (typeof listener === 'function') listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        console.error('mte-relay: a listener failed', error);
      }
    }
    return true;
  }
}

/** The platform's EventTarget, or a flat one where it is missing. */
export const EventTargetBase: typeof EventTarget =
  globalThis.EventTarget ?? (FlatEventTarget as unknown as typeof EventTarget);
