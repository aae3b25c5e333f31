// Reads the sources of settings. Each source is reduced to texts by variable name, so that one parser serves all:
//   settings adapter  over  environment (and NAME_FILE)  over  YAML file
// The file has the settings that deployments share, and the environment has the changes of one deployment. The adapter
// overrides both, because it receives them and reads a vault.
import { LineCounter, parseDocument } from 'yaml';
import { ADAPTER_TIMEOUT_MS, YAML_ALIASES_MAX } from '../limits/fixed.ts';
import { within } from '../timeout.ts';
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import type { FoundBefore } from './load.ts';
import { importFunction } from './modules.ts';
import { type ConfigProblem, type Environment, oneLine } from './problems.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import { suggestName } from './suggest.ts';
import { isPlainObject, naturalProblem, readNamedFiles, readValue, variableText } from './values.ts';

/** Variables that name a source, so that no other source can set them. */
const SOURCE_NAMES = ['CONFIG_FILE', 'SETTINGS_MODULE'] as const;
const SECRET_NAMES: ReadonlySet<string> = new Set(
  [...Object.entries(DOMAIN_SETTINGS), ...Object.entries(PROCESS_SETTINGS)]
    .filter(([, setting]) => setting.secret === true)
    .map(([name]) => name),
);

/** Names that a source may set. */
const SETTING_NAMES: readonly string[] = [
  ...Object.keys(DOMAIN_SETTINGS),
  ...Object.keys(PROCESS_SETTINGS),
  'DOMAIN_MAP',
];
const KNOWN_NAMES: readonly string[] = [
  ...SETTING_NAMES,
  ...SETTING_NAMES.map((name) => `${name}_FILE`),
  ...SOURCE_NAMES,
];

/** All sources, reduced to one environment. */
export interface Sources extends FoundBefore {
  /** Settings by name; nothing else. */
  readonly environment: Environment;
}

/** Settings by variable name: texts as in variables, or natural values as in YAML. */
export type SettingsAdapter = (
  environment: Environment,
) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;

/** Reads the environment, its NAME_FILE files and CONFIG_FILE. A settings adapter is a problem, because it is asynchronous. */
export function readSources(environment: Environment): Sources {
  const sources = readFileAndEnvironment(environment);
  if (!environment['SETTINGS_MODULE']) return sources;
  const problem = {
    name: 'SETTINGS_MODULE',
    seen: 'set where modules are not loaded',
    expected: 'the command mte-relay-server, or readEnvironment() before createRelay()',
  };
  return { ...sources, problems: [...sources.problems, problem], incomplete: true };
}

/** Reads every source. Never rejects. */
export async function readAllSources(
  environment: Environment,
  timeoutMs: number = ADAPTER_TIMEOUT_MS,
): Promise<Sources> {
  const sources = readFileAndEnvironment(environment);
  const specifier = environment['SETTINGS_MODULE'];
  if (!specifier) return sources;
  const problems = [...sources.problems];
  try {
    const ask = async (): Promise<unknown> => {
      const adapter = (await importFunction(specifier)) as SettingsAdapter;
      return adapter(sources.environment);
    };
    const values = await within({ timeoutMs, holdsProcess: true }, ask());
    if (!isPlainObject(values)) throw new Error('it did not return an object of settings');
    const variables = naturalVariables('SETTINGS_MODULE', values, problems);
    return {
      ...sources,
      environment: { ...sources.environment, ...readNamedFiles(variables, SETTING_NAMES, problems) },
      problems,
    };
  } catch (error) {
    problems.push({
      name: 'SETTINGS_MODULE',
      seen: `${specifier} failed: ${oneLine(error)}`,
      expected: 'an ES module whose default export is a function that returns settings by variable name',
    });
    return { ...sources, problems, incomplete: true };
  }
}

function readFileAndEnvironment(environment: Environment): Sources {
  const problems: ConfigProblem[] = [];
  const file = readConfigFile(environment['CONFIG_FILE'], problems);
  const own = readNamedFiles(environment, SETTING_NAMES, problems);
  return {
    environment: { ...file, ...own },
    problems,
    incomplete: file === undefined,
    warnings: misspelled(environment),
  };
}

/** Variables of the YAML file; undefined when it could not be read. */
function readConfigFile(path: string | undefined, problems: ConfigProblem[]): Record<string, string> | undefined {
  if (!path) return {};
  const text = readValue('CONFIG_FILE', path, problems);
  if (text === undefined) return undefined;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const fault of [...document.errors, ...document.warnings]) {
    const { line, col } = lines.linePos(fault.pos[0]);
    problems.push({ name: 'CONFIG_FILE', seen: `${path}:${line}:${col} ${fault.code}`, expected: 'YAML 1.2' });
  }
  if (document.errors.length > 0) return undefined;
  const values: unknown = document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  if (!isPlainObject(values)) {
    problems.push({ name: 'CONFIG_FILE', seen: `${path} is not a mapping`, expected: 'settings by variable name' });
    return undefined;
  }
  return readNamedFiles(naturalVariables(path, values, problems), SETTING_NAMES, problems);
}

/** Natural values as the variables would be written. */
function naturalVariables(
  source: string,
  values: Readonly<Record<string, unknown>>,
  problems: ConfigProblem[],
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue;
    const settingName = name.endsWith('_FILE') && !SETTING_NAMES.includes(name) ? name.slice(0, -5) : name;
    const problem = naturalProblem(settingName, value, SECRET_NAMES.has(settingName));
    if (!SETTING_NAMES.includes(settingName)) {
      problems.push({ name, seen: `not a setting, in ${source}`, expected: meant(name) });
    } else if (problem !== undefined) {
      problems.push({ name, seen: `${problem.seen}, in ${source}`, expected: problem.expected });
    } else {
      variables[name] = variableText(value);
    }
  }
  return variables;
}

function meant(name: string): string {
  const suggestion = suggestName(name, SETTING_NAMES);
  return suggestion ? `a setting; did you mean ${suggestion}?` : 'a setting of docs/configuration.md';
}

/** Warnings of variables that look mistyped. They are not problems, because other programs share the environment. */
function misspelled(environment: Environment): string[] {
  const warnings: string[] = [];
  for (const name of Object.keys(environment)) {
    if (KNOWN_NAMES.includes(name)) continue;
    const suggestion = suggestName(name, KNOWN_NAMES);
    // If the right name is set too, the other variable belongs to another program.
    if (suggestion && !environment[suggestion]) {
      warnings.push(`${name} is not a setting of the relay and is ignored; did you mean ${suggestion}?`);
    }
  }
  return warnings;
}
