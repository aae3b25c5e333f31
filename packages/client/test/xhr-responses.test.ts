// A browser's upload with progress gets responses that any intermediary can give: each ends the call.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { OuterHop, OuterPost } from '../src/outer/hop.ts';

/** The next response. */
let given: { readonly status: number; readonly response: Blob | null; readonly responseURL?: string };
let post: NonNullable<OuterHop['postWithProgress']>;

class RespondingXhr {
  readonly upload = {};
  onload: (() => void) | undefined;
  onabort: (() => void) | undefined;
  readonly status = given.status;
  readonly response = given.response;
  readonly responseURL = given.responseURL ?? 'https://relay.example/api/mte';
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
  vi.stubGlobal('XMLHttpRequest', RespondingXhr);
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
  given = { status, response: new Blob([content]) };
  const response = await post(outer(new AbortController().signal), () => undefined);
  expect([response.status, await response.text()]).toEqual([status, content]);
});

test('an invalid status fails the call', async () => {
  given = { status: 999, response: new Blob() };
  await expect(post(outer(new AbortController().signal), () => undefined)).rejects.toThrow(RangeError);
});

test.each(['https://other.example/api/mte', 'https://relay.example/other'])(
  'a response of %s, to which an intermediary has redirected the upload, fails the call',
  async (responseURL) => {
    given = { status: 200, response: new Blob(['sealed']), responseURL };
    await expect(post(outer(new AbortController().signal), () => undefined)).rejects.toThrow('redirected');
  },
);

test('an abort ends it with its reason', async () => {
  given = { status: 0, response: null };
  const controller = new AbortController();
  const call = post(outer(controller.signal), () => undefined);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
});
