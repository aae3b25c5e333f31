// Puts functions and classes of the platform behind a check, as proxies, which keep their names and lengths.

// Any function or class of the platform.
type Callable = (...args: never[]) => unknown;
type Constructable = new (...args: never[]) => object;

/** One call of a replaced function. */
export interface Call {
  readonly self: unknown;
  readonly args: readonly unknown[];
  /** Calls the platform. @param instead other arguments. Default: those of the call. */
  go(instead?: readonly unknown[]): unknown;
}

/** Replaces a function of the platform, if the browser has it. One that `owner` inherits becomes its own. */
export function replace(owner: object | undefined, name: string, apply: (call: Call) => unknown): void {
  const owners = owner as Record<string, Callable | undefined> | undefined;
  const original = owners?.[name];
  if (!owners || !original) return;
  owners[name] = new Proxy(original, {
    apply: (target, self: unknown, args: unknown[]) =>
      apply({ self, args, go: (instead = args) => Reflect.apply(target, self, instead as never[]) }),
  });
}

/** Replaces a class of the platform, if the browser has it. @param before called with the arguments; may throw. */
export function replaceClass(
  owner: object,
  name: string,
  before: (args: readonly unknown[]) => void,
  after: (made: object) => void = () => undefined,
): void {
  const owners = owner as Record<string, Constructable | undefined>;
  const original = owners[name];
  if (!original) return;
  owners[name] = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      before(args);
      const made = Reflect.construct(target, args as never[], newTarget) as object;
      after(made);
      return made;
    },
  });
}

/** The prototype of a class of the platform that TypeScript's library or some browser lacks. */
export function prototypeOf(realm: object, name: string): object | undefined {
  return (realm as Record<string, { prototype: object } | undefined>)[name]?.prototype;
}

/** Why navigation preload is refused, in a page and in a worker. */
export const PRELOAD = 'it sends navigations unsealed';
/** Why Background Fetch of a listed route is refused, in a page and in a worker. */
export const BACKGROUND = 'a service worker is not asked for it';
