// Cookies of the page that script may read. A dedicated worker has no way to them.
import type { ScriptCookies } from './platform.ts';

export const scriptCookies: ScriptCookies = {
  get host() {
    return globalThis.location.hostname;
  },
  read: async () => globalThis.document?.cookie ?? '',
  async set(setCookie) {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API takes no line, and Firefox ESR has had none
    if (globalThis.document) document.cookie = setCookie;
  },
};
