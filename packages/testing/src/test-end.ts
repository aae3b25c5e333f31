// What a test starts and need not end itself.
import { onTestFinished } from 'vitest';

/** Redis, a process or relay, a connection, a server or client. */
type Endable =
  | { remove(): unknown }
  | { stop(signal?: NodeJS.Signals): unknown }
  | { destroy(): unknown }
  | { close(): unknown };

/** Ends something behind the test that calls this, a process by SIGKILL. @throws Error outside a test */
export function endsWithTest<T extends Endable>(thing: T): T {
  onTestFinished(async () => {
    if ('remove' in thing) await thing.remove();
    else if ('stop' in thing) await thing.stop('SIGKILL');
    else if ('destroy' in thing) await thing.destroy();
    else await thing.close();
  });
  return thing;
}
