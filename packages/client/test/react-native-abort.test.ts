// An AbortSignal as React Native had it before 0.88, without reasons and statics, completed.
import { beforeEach, describe, expect, test } from 'vitest';
import { completeAbort } from '../src/platform/react-native/abort.ts';

let classes: Pick<typeof globalThis, 'AbortController' | 'AbortSignal'>;

beforeEach(() => {
  class OldSignal extends EventTarget {
    aborted = false;
  }
  class OldController {
    readonly signal = new OldSignal();
    abort(): void {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.dispatchEvent(new Event('abort'));
    }
  }
  classes = { AbortController: OldController, AbortSignal: OldSignal } as unknown as typeof classes;
});

describe('an older AbortSignal, completed', () => {
  test('carries the first reason, to listeners too', () => {
    completeAbort(classes);
    const controller = new classes.AbortController();
    const heard: unknown[] = [];
    controller.signal.addEventListener('abort', () => heard.push(controller.signal.reason));
    controller.signal.throwIfAborted();
    expect(controller.signal.reason).toBeUndefined();
    const reason = new Error('the caller left');
    controller.abort(reason);
    controller.abort(new Error('later'));
    expect(heard).toEqual([reason]);
    expect(controller.signal.reason).toBe(reason);
    expect(() => controller.signal.throwIfAborted()).toThrow(reason);
  });

  test('has an AbortError as reason where none was given, before or after', () => {
    const before = new classes.AbortController();
    before.abort();
    completeAbort(classes);
    const after = new classes.AbortController();
    after.abort();
    for (const { signal } of [before, after]) {
      expect(signal.reason).toMatchObject({ name: 'AbortError' });
      expect(signal.reason).toBe(signal.reason);
    }
  });

  test('any: aborts with the reason of the first one, at once or later', () => {
    completeAbort(classes);
    const [one, two] = [new classes.AbortController(), new classes.AbortController()];
    const joined = classes.AbortSignal.any([one.signal, two.signal]);
    expect(joined.aborted).toBe(false);
    two.abort('two');
    one.abort('one');
    expect(joined.reason).toBe('two');
    expect(classes.AbortSignal.any([new classes.AbortController().signal, two.signal]).reason).toBe('two');
  });

  test('timeout: aborts with a TimeoutError', async () => {
    completeAbort(classes);
    const signal = classes.AbortSignal.timeout(1);
    await expect.poll(() => signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('a complete one is left as it is', () => {
    const { any, timeout } = AbortSignal;
    const { abort } = AbortController.prototype;
    completeAbort(globalThis);
    expect([AbortSignal.any, AbortSignal.timeout, AbortController.prototype.abort]).toEqual([any, timeout, abort]);
  });
});
