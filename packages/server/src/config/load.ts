// Configuration parses, or the process does not start: every problem is found before any is reported.
import { SETTINGS, type SettingName, type Settings } from './settings.ts';

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  readonly name: string;
  /** What was seen; a secret is masked. */
  readonly seen: string;
  readonly expected: string;
}

/** Thrown by {@link loadSettings} with every problem there is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ name, seen, expected }) => `  ${name}: ${seen}; expected ${expected}`);
    super(`invalid configuration, ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** Exit status of a process whose configuration is wrong: EX_CONFIG of sysexits. */
export const EXIT_CONFIG = 78;

/** Variables by name, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads every setting from the environment. An empty variable counts as not set.
 * @throws ConfigError that lists all problems.
 */
export function loadSettings(environment: Environment): Settings {
  return loadSome(environment, Object.keys(SETTINGS) as SettingName[]);
}

/** Reads only these settings, so that a command asks for no more than it needs. Throws ConfigError. */
export function loadSome<Name extends SettingName>(
  environment: Environment,
  names: readonly Name[],
): Pick<Settings, Name> {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const name of names) {
    const setting = SETTINGS[name];
    const raw = environment[name] === '' ? undefined : environment[name];
    const result = setting.schema.safeParse(raw);
    if (result.success) values[name] = result.data;
    else problems.push({ name, seen: describe(raw, setting.secret === true), expected: setting.expected });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return values as unknown as Pick<Settings, Name>;
}

/** What is worth a warning though it is valid, one sentence each. */
export function settingsWarnings(settings: Settings): string[] {
  const warnings: string[] = [];
  if (!settings.RELAY_IDENTITY_SEED && settings.CLIENT_ID_SECRET.some(looksHumanMade)) {
    warnings.push(
      'CLIENT_ID_SECRET looks made by a person, and the public relay key is derived from it: who guesses the one has ' +
        'the other. Use a random secret, and set RELAY_IDENTITY_SEED (`mte-relay-server identity --new`).',
    );
  }
  if (settings.UPSTREAM.protocol === 'http:' && !isLocal(settings.UPSTREAM.hostname)) {
    warnings.push(
      `UPSTREAM is plain http to ${settings.UPSTREAM.hostname}: the way behind the relay is not encrypted.`,
    );
  }
  return warnings;
}

function describe(raw: string | undefined, secret: boolean): string {
  if (raw === undefined) return 'not set';
  if (secret) return `set, ${raw.length} characters (not shown)`;
  const shown = raw.replace(/\/\/[^/@]*@/, '//…@'); // a URL's user and password
  return `got ${JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown)}`;
}

/** A random 32-character secret mixes cases and digits and repeats little; words and patterns do not. */
function looksHumanMade(secret: string): boolean {
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((kind) => kind.test(secret)).length;
  const isHex = /^[0-9a-f]+$/i.test(secret);
  if (new Set(secret).size < (isHex ? 8 : 14)) return true;
  if (/(.)\1{3}|0123|1234|abcd|qwer|password|secret|change/i.test(secret)) return true;
  return !isHex && classes < 3;
}

function isLocal(hostname: string): boolean {
  // Loopback, private ranges (RFC 1918) and names without a dot or inside a cluster.
  return (
    /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd])/.test(hostname) ||
    !hostname.includes('.') ||
    /\.(?:local|internal|svc)$/.test(hostname)
  );
}
