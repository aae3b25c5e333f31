// Time limits for promises of code that may never settle them.

/** True for a promise, also one of a library or of another realm. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | undefined)?.then === 'function';
}

/** How long to wait, and how to fail. */
export interface Wait {
  readonly timeoutMs: number;
  /** True: the timer keeps the process alive. Default false. */
  readonly holdsProcess?: boolean;
  /** Makes the error of a wait that times out. */
  readonly timedOut?: () => Error;
}

/** The result of a promise. Rejects if it does not settle in time. */
export async function within<T>(wait: Wait, promised: PromiseLike<T>): Promise<T> {
  const {
    timeoutMs,
    holdsProcess = false,
    timedOut = () => new Error(`no result within ${timeoutMs / 1000} s`),
  } = wait;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(timedOut()), timeoutMs);
    if (!holdsProcess) timer.unref();
  });
  try {
    return await Promise.race([promised, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
