// What a browser's upload with progress makes of answers that any box on the way can give: each ends the call.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { OuterHop, OuterPost } from '../src/outer/hop.ts';

/** Answers with the next of these. */
let answer: { readonly status: number; readonly response: Blob | null };
let post: NonNullable<OuterHop['postWithProgress']>;

class AnsweredXhr {
  readonly upload = {};
  onload: (() => void) | undefined;
  onabort: (() => void) | undefined;
  readonly status = answer.status;
  readonly response = answer.response;
  open(): void {}
  setRequestHeader(): void {}
  getResponseHeader(): string | null {
    return null;
  }
  send(): void {
    if (this.status !== 0) queueMicrotask(() => this.onload?.());
  }
  abort(): void {
    this.onabort?.();
  }
}

beforeAll(async () => {
  vi.stubGlobal('XMLHttpRequest', AnsweredXhr);
  const { platform } = await import('../src/platform/browser.ts');
  post = platform.postWithProgress as typeof post;
});

afterAll(() => vi.unstubAllGlobals());

function outer(signal: AbortSignal): OuterPost {
  return { url: 'https://relay.example/api/mte', contentType: 'application/mte-relay', body: new Blob(['x']), signal };
}

test.each([
  [200, 'sealed'],
  [401, 'refused'],
  [204, ''],
  [205, ''],
  [304, ''],
])('%d becomes a Response', async (status, content) => {
  answer = { status, response: new Blob([content]) };
  const response = await post(outer(new AbortController().signal), () => undefined);
  expect([response.status, await response.text()]).toEqual([status, content]);
});

test('a status that is none fails the call', async () => {
  answer = { status: 999, response: new Blob() };
  await expect(post(outer(new AbortController().signal), () => undefined)).rejects.toThrow(RangeError);
});

test('an abort ends it with its reason', async () => {
  answer = { status: 0, response: null };
  const controller = new AbortController();
  const call = post(outer(controller.signal), () => undefined);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
});
