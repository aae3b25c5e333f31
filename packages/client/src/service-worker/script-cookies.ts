// Cookies that script may read, in a service worker: by the Cookie Store API, and by its pages, since in Firefox ESR that API
// resolves in a worker and in some sessions stores nothing.
import { ignore } from '../abort.ts';
import { type ScriptCookieMessage, SET_SCRIPT_COOKIE } from '../api/script-cookie.ts';
import type { ScriptCookies } from '../platform/platform.ts';
import type { WorkerScope } from './scope.ts';

/** The cookies of a worker's origin. */
export function workersScriptCookies(scope: WorkerScope): ScriptCookies {
  const { cookieStore, clients } = scope;
  return {
    host: scope.location.hostname,
    async read() {
      const cookies = await cookieStore?.getAll();
      return cookies?.map(({ name, value }) => `${name}=${value}`).join('; ') ?? '';
    },
    async set(setCookie) {
      const message: ScriptCookieMessage = { type: SET_SCRIPT_COOKIE, setCookie };
      for (const page of await clients.matchAll()) page.postMessage(message);
      await cookieStore?.set(partsOf(setCookie)).catch(ignore);
    },
  };
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
