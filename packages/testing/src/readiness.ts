// The readiness that a relay's admin port reports.
import { urlOf } from './servers.ts';

/** The status of /readyz, asked over a connection of its own; 0 when the admin port does not respond. */
export function readiness({ adminPort }: { readonly adminPort: number }): Promise<number> {
  return fetch(`${urlOf(adminPort)}/readyz`, { headers: { connection: 'close' } }).then(
    ({ status }) => status,
    () => 0,
  );
}
