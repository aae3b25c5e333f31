// Cookies that script may read: by `document.cookie` in a page, and by the Cookie Store API in a service worker, which also
// has its pages set them: in Firefox ESR that API resolves in a worker and in some sessions stores nothing.
import { ignore } from '../abort.ts';
import { type ScriptCookieMessage, SET_SCRIPT_COOKIE } from '../api/script-cookie.ts';
import type { ScriptCookies } from './platform.ts';

/** The used part of the Cookie Store API (WICG), which workers have where the browser has it. */
interface CookieStore {
  getAll(): Promise<{ name: string; value: string }[]>;
  set(cookie: object): Promise<void>;
}

export const scriptCookies: ScriptCookies = {
  get host() {
    return globalThis.location.hostname;
  },
  async read() {
    if (globalThis.document) return document.cookie;
    const cookies = await cookieStore()?.getAll();
    return cookies?.map(({ name, value }) => `${name}=${value}`).join('; ') ?? '';
  },
  async set(setCookie) {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API takes no line, and Firefox ESR has had none
    if (globalThis.document) document.cookie = setCookie;
    else await Promise.all([tellPages(setCookie), cookieStore()?.set(partsOf(setCookie)).catch(ignore)]);
  },
};

async function tellPages(setCookie: string): Promise<void> {
  const pages = await (globalThis as { clients?: Pages }).clients?.matchAll();
  const message: ScriptCookieMessage = { type: SET_SCRIPT_COOKIE, setCookie };
  for (const page of pages ?? []) page.postMessage(message);
}

/** The pages of a service worker. */
interface Pages {
  matchAll(): Promise<readonly { postMessage(message: unknown): void }[]>;
}

function cookieStore(): CookieStore | undefined {
  return (globalThis as { cookieStore?: CookieStore }).cookieStore;
}

/** The members of CookieInit for a line that the relay has written. */
function partsOf(setCookie: string): object {
  const [pair = '', ...attributes] = setCookie.split('; ');
  const of = (name: string): string | undefined =>
    attributes.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
  const equalsAt = pair.indexOf('=');
  const seconds = of('Max-Age');
  return {
    name: pair.slice(0, Math.max(equalsAt, 0)),
    value: pair.slice(equalsAt + 1),
    path: of('Path'),
    domain: of('Domain') ?? null,
    expires: seconds === undefined ? null : Date.now() + Number(seconds) * 1000,
    sameSite: of('SameSite') ?? 'lax',
    partitioned: attributes.includes('Partitioned'),
  };
}
