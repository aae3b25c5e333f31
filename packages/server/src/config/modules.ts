// Loads adapters: modules of the operator that a variable or a flag names.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { SyncSuite } from '@mte-relay/protocol';
import type { Logger } from 'pino';
import { ADAPTER_TIMEOUT_MS } from '../limits/fixed.ts';
import type { SessionStore } from '../sessions/store.ts';
import { within } from '../timeout.ts';
import { type ConfigProblem, type Environment, oneLine } from './problems.ts';
import type { Settings } from './settings.ts';

/** Default export of SESSIONS_MODULE. */
export type SessionStoreFactory = (settings: Settings, suite: SyncSuite) => SessionStore | Promise<SessionStore>;

/** Default export of STARTUP_MODULE. The relay listens once it has resolved, and exits if it rejects. */
export type StartupScript = (start: {
  /** Every setting by name as text, secrets masked. With DOMAIN_MAP, names of a domain's settings contain its host. */
  readonly settings: Readonly<Record<string, string>>;
  readonly log: Logger;
}) => unknown;

/** The adapters of one process; undefined if not set. */
export interface Modules {
  readonly sessions: SessionStoreFactory | undefined;
  readonly startup: StartupScript | undefined;
}

/** Loads the modules that settings name. LOG_MODULE is loaded for its faults alone, before a log is needed. */
export async function loadModules(
  environment: Environment,
  problems: ConfigProblem[],
  timeoutMs: number = ADAPTER_TIMEOUT_MS,
): Promise<Modules> {
  const load = async (name: string, what: string): Promise<unknown> => {
    const specifier = environment[name];
    if (!specifier) return undefined;
    try {
      return await within({ timeoutMs, holdsProcess: true }, importFunction(specifier));
    } catch (error) {
      problems.push({
        name,
        seen: `${specifier} failed: ${oneLine(error)}`,
        expected: `an ES module whose default export is ${what}`,
      });
      return undefined;
    }
  };
  await load('LOG_MODULE', 'a pino transport');
  return {
    sessions: (await load('SESSIONS_MODULE', 'a function that makes a session store')) as Modules['sessions'],
    startup: (await load('STARTUP_MODULE', 'a function to run before the relay listens')) as Modules['startup'],
  };
}

/** The default export of a module. Rejects if it is missing or is not a function. */
export async function importFunction(specifier: string): Promise<(...values: never[]) => unknown> {
  const module = (await import(pathToFileURL(resolveModule(specifier)).href)) as { default?: unknown };
  if (typeof module.default !== 'function') throw new Error('its default export is not a function');
  return module.default as (...values: never[]) => unknown;
}

/** The file of a module: a path from the working directory, or a package that is installed there or beside the relay. */
export function resolveModule(specifier: string): string {
  if (specifier.startsWith('file:')) return fileURLToPath(specifier);
  const path = resolve(specifier);
  if (/^\.{0,2}\//.test(specifier) || existsSync(path)) return path;
  try {
    return createRequire(join(process.cwd(), 'from-here')).resolve(specifier);
  } catch {
    return fileURLToPath(import.meta.resolve(specifier));
  }
}
