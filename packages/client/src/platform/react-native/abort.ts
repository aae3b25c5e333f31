// Completes the AbortSignal of React Native up to 0.87 (Expo 57) by the standard's missing parts (DOM §3.2): reasons,
// `throwIfAborted`, `timeout` and `any`. Existing members stay.
import { domError } from '../dom.ts';

type AbortClasses = Pick<typeof globalThis, 'AbortController' | 'AbortSignal'>;

/** Call once, before the first request. */
export function completeAbort({ AbortController, AbortSignal }: AbortClasses): void {
  const signals = AbortSignal.prototype as Partial<AbortSignal>;
  if (!signals.throwIfAborted) addReasons({ AbortController, AbortSignal });
  const statics = AbortSignal as Partial<typeof AbortSignal>;
  statics.timeout ??= (ms) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(domError('TimeoutError', 'the operation timed out')), ms);
    return controller.signal;
  };
  statics.any ??= (sources) => {
    const controller = new AbortController();
    const all = [...sources];
    const onAbort = (): void => {
      for (const source of all) source.removeEventListener('abort', onAbort);
      controller.abort(all.find(({ aborted }) => aborted)?.reason);
    };
    for (const source of all) source.addEventListener('abort', onAbort);
    if (all.some(({ aborted }) => aborted)) onAbort();
    return controller.signal;
  };
}

function addReasons({ AbortController, AbortSignal }: AbortClasses): void {
  const reasons = new WeakMap<AbortSignal, unknown>();
  const abort = AbortController.prototype.abort;
  Object.defineProperty(AbortController.prototype, 'abort', {
    configurable: true,
    writable: true,
    value(this: AbortController, reason: unknown = domError('AbortError', 'the operation was aborted')) {
      if (!this.signal.aborted) reasons.set(this.signal, reason);
      abort.call(this);
    },
  });
  Object.defineProperties(AbortSignal.prototype, {
    reason: {
      configurable: true,
      get(this: AbortSignal) {
        if (!this.aborted) return undefined;
        if (!reasons.has(this)) reasons.set(this, domError('AbortError', 'the operation was aborted')); // aborted earlier
        return reasons.get(this);
      },
    },
    throwIfAborted: {
      configurable: true,
      writable: true,
      value(this: AbortSignal) {
        if (this.aborted) throw this.reason;
      },
    },
  });
}
