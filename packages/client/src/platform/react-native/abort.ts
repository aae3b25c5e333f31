// AbortSignal of an older React Native (0.87 and before, and so Expo 57) completed to what the standard has (DOM §3.2):
// reasons, `throwIfAborted`, `timeout` and `any`. Nothing that is there is replaced.
import { domError } from '../dom.ts';

type AbortClasses = Pick<typeof globalThis, 'AbortController' | 'AbortSignal'>;

/** Once, before the first call. */
export function completeAbort({ AbortController, AbortSignal }: AbortClasses): void {
  const signals = AbortSignal.prototype as Partial<AbortSignal>;
  if (!signals.throwIfAborted) addReasons({ AbortController, AbortSignal });
  const statics = AbortSignal as Partial<typeof AbortSignal>;
  statics.timeout ??= (ms) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(domError('TimeoutError', 'the time is over')), ms);
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
    value(this: AbortController, reason: unknown = domError('AbortError', 'it was aborted')) {
      if (!this.signal.aborted) reasons.set(this.signal, reason);
      abort.call(this);
    },
  });
  Object.defineProperties(AbortSignal.prototype, {
    reason: {
      configurable: true,
      get(this: AbortSignal) {
        if (!this.aborted) return undefined;
        if (!reasons.has(this)) reasons.set(this, domError('AbortError', 'it was aborted')); // before this was here
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
