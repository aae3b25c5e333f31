// Event handler attributes and state constants as on the platform's classes (HTML §8.1.8.1).

/** Adds `on…` attributes to a class. A handler is a listener and keeps the position where it was first set. */
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

/** Adds the constants of a ready state to a class and its instances. */
export function addStates(Class: { readonly prototype: object }, states: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(states)) {
    for (const target of [Class, Class.prototype]) Object.defineProperty(target, name, { value, enumerable: true });
  }
}
