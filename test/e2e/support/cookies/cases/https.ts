// Cases of the cookie table that also run over https, where the relay's own cookies are __Host- ones.
import { type CookieCase, RELOAD, RESTART_BROWSER, read, set } from '../case.ts';
import { SITES, WAYS } from './callers.ts';
import { FLAGS } from './lines.ts';

const LIVES: readonly CookieCase[] = [
  {
    name: 'login, reload, restart of the browser, logout',
    steps: [
      set(
        '/login',
        '__Host-sid=1; Secure; HttpOnly; Path=/; Max-Age=600; SameSite=Strict',
        'csrf=2; Path=/',
        'theme=3; Max-Age=600',
      ),
      read('/foo'),
      RELOAD,
      read('/foo'),
      RESTART_BROWSER,
      read('/foo'),
      set('/logout', '__Host-sid=; Secure; Path=/; Max-Age=0'),
      read('/foo'),
    ],
  },
];

export const HTTPS: readonly CookieCase[] = [...FLAGS, ...SITES, ...WAYS.slice(0, 1), ...LIVES].map((given) => ({
  ...given,
  name: `https: ${given.name}`,
  https: true,
}));
