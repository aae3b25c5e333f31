// Events and event handler attributes as the platform has them (DOM §2, HTML §8.1.8.1), also where a runtime lacks some of
// the platform's classes, as React Native does.

type EventKind = 'Event' | 'MessageEvent' | 'CloseEvent' | 'ErrorEvent';
type EventClass = new (type: string, fields: object) => Event;
type Listener = ((event: Event) => void) | { handleEvent(event: Event): void };
type ListenerOptions = boolean | { readonly once?: boolean } | undefined;

/** An event of this kind, with these properties whether or not the runtime knows them. */
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

/** What a flat target needs of EventTarget: nothing captures, bubbles or can be prevented. */
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

/** The platform's EventTarget where there is one. */
export const EventTargetBase: typeof EventTarget =
  globalThis.EventTarget ?? (FlatEventTarget as unknown as typeof EventTarget);

/** Gives a class the attributes `on…`: a handler is a listener, called in the place where it was first set. */
export function addHandlerAttributes(prototype: EventTarget, types: readonly string[]): void {
  for (const type of types) {
    const handlers = new WeakMap<
      EventTarget,
      { current: (event: Event) => unknown; listener: (event: Event) => void }
    >();
    Object.defineProperty(prototype, `on${type}`, {
      configurable: true,
      enumerable: true,
      get(this: EventTarget) {
        return handlers.get(this)?.current ?? null;
      },
      set(this: EventTarget, value: unknown) {
        const known = handlers.get(this);
        if (typeof value !== 'function') {
          if (known) this.removeEventListener(type, known.listener);
          handlers.delete(this);
        } else if (known) {
          known.current = value as (event: Event) => unknown;
        } else {
          const handler = {
            current: value as (event: Event) => unknown,
            listener: (event: Event): void => void handler.current.call(this, event),
          };
          handlers.set(this, handler);
          this.addEventListener(type, handler.listener);
        }
      },
    });
  }
}

/** Gives a class and its instances the constants of a ready state. */
export function addStates(Class: { readonly prototype: object }, states: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(states)) {
    for (const target of [Class, Class.prototype]) Object.defineProperty(target, name, { value, enumerable: true });
  }
}
