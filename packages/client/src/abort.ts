// Waits that an AbortSignal can end. Each removes its listener afterwards.

/** Rejects with the signal's reason as soon as it aborts; other users of the promise are unaffected. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Resolves after `ms`. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return orAborted(slept, signal).finally(() => clearTimeout(timer));
}

/** Handles failures without consequence, such as that of an abandoned operation. */
export function ignore(): void {
  // intentionally empty
}
