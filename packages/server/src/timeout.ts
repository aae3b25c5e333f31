// An end to waiting for what an operator's own modules promise.

/** Whether something is promised: by a library's own kind of promise too, or one of another realm. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | undefined)?.then === 'function';
}

/** How to wait. */
export interface Wait {
  readonly timeoutMs: number;
  /** True: the process does not end meanwhile, though nothing else keeps it. */
  readonly holdsProcess?: boolean;
  /** What is thrown when the time is over; made only then. */
  readonly late?: () => Error;
}

/** What is promised, if it comes in time. */
export async function within<T>(wait: Wait, promised: PromiseLike<T>): Promise<T> {
  const { timeoutMs, holdsProcess = false, late = () => new Error(`no answer for ${timeoutMs / 1000} s`) } = wait;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
    if (!holdsProcess) timer.unref();
  });
  try {
    return await Promise.race([promised, over]);
  } finally {
    clearTimeout(timer);
  }
}
