// From the environment to everything that a process starts with. All problems of all sources are reported at once.

import { adminPortOf, loadSettings, settingsWarnings } from './load.ts';
import { loadModules, type Modules } from './modules.ts';
import { ConfigError, type ConfigProblem, type Environment } from './problems.ts';
import type { Settings } from './settings.ts';
import { readAllSources } from './sources.ts';

/** Everything that a relay process starts with. */
export interface Configuration {
  /** Settings by name, from all sources. */
  readonly environment: Environment;
  readonly settings: Settings;
  readonly modules: Modules;
  readonly warnings: readonly string[];
}

/**
 * Reads every source and loads every module.
 * @throws ConfigError that lists all problems.
 */
export async function readConfiguration(environment: Environment): Promise<Configuration> {
  const sources = await readAllSources(environment);
  const problems: ConfigProblem[] = [...sources.problems];
  const modules = await loadModules(sources.environment, problems);
  const settings = loadSettings(sources.environment, { ...sources, problems });
  const { PORT: port } = settings;
  if (port !== 0 && adminPortOf(settings, port) === port) {
    const seen = `got ${port}, which is ADMIN_PORT ${settings.ADMIN_PORT === 'auto' ? 'by default' : 'too'}`;
    throw new ConfigError([{ name: 'PORT', seen, expected: 'a port that differs from ADMIN_PORT' }], sources.warnings);
  }
  return {
    environment: sources.environment,
    settings,
    modules,
    warnings: [...sources.warnings, ...settingsWarnings(settings)],
  };
}

/**
 * Settings from every source, the settings adapter among them, for `createRelay({ environment })`.
 * @throws ConfigError if a source cannot be read or a setting is wrong.
 */
export async function readEnvironment(environment: Environment = process.env): Promise<Environment> {
  const sources = await readAllSources(environment);
  loadSettings(sources.environment, sources);
  return sources.environment;
}
