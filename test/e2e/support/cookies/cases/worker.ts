// Cases of the cookie table behind the service worker: the platform's own calls of an unchanged page.
import { type Call, type CookieCase, RELOAD, RESTART_RELAY, read, type Step, set } from '../case.ts';

const behindWorker = (name: string, ...steps: Step[]): CookieCase => ({
  name: `service worker: ${name}`,
  serviceWorker: true,
  steps,
});
const xhr = (path: string, ...lines: string[]): Step => ({ calls: [{ path, way: 'xhr', set: lines }] });
const beacon = (path: string): Call => ({ path, way: 'beacon', method: 'POST' });

export const WORKER: readonly CookieCase[] = [
  behindWorker(
    'fetch and XMLHttpRequest',
    set('/api/foo/login', 'a=1; HttpOnly', 'b=2; Path=/', 'c=3; Path=/api/foo'),
    read('/api/foo/x', '/api/', '/api/other'),
    xhr('/api/foo/x', 'd=4', 'e=5; Path=/; HttpOnly'),
    xhr('/api/foo/x'),
    set('/api/foo/x', 'a=; Max-Age=0', 'e=; Path=/; Max-Age=0'),
    RELOAD,
    read('/api/foo/x', '/api/other'),
  ),
  behindWorker(
    'SameSite, credentials and redirects',
    set('/api/', 'strict=1; SameSite=Strict', 'lax=1; SameSite=Lax', 'none=1; SameSite=None; Secure', 'absent=1'),
    read('/api/'),
    { calls: [{ path: '/api/', credentials: 'omit', set: ['never=1'] }] },
    { calls: [{ path: '/api/', credentials: 'same-origin', set: ['own=1'] }] },
    { calls: [{ path: '/api/login', set: ['hop=1; HttpOnly'], next: { path: '/api/x' } }] },
    { calls: [beacon('/api/x')] },
    read('/api/x'),
  ),
  behindWorker(
    'another tab, a dedicated worker, and a relay that restarts',
    set('/api/', 'a=1; HttpOnly', 'b=2'),
    { calls: [{ path: '/api/', tab: 'second', set: ['c=3; HttpOnly'] }] },
    { calls: [{ path: '/api/', way: 'dedicated-worker', set: ['d=4; HttpOnly'] }] },
    RESTART_RELAY,
    read('/api/'),
  ),
];
