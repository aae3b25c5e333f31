// Configuration parses, or the process does not start: every problem is found before any is reported.
import {
  DOMAIN_SETTINGS,
  type DomainSettings,
  PROCESS_SETTINGS,
  type ProcessSettings,
  type Settings,
  type SettingTable,
} from './settings.ts';

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

/** The domain that serves every host. */
export const ANY_HOST = '*';

/**
 * Reads every setting from the environment. An empty variable counts as not set.
 * @throws ConfigError that lists all problems.
 */
export function loadSettings(environment: Environment): Settings {
  const problems: ConfigProblem[] = [];
  const processSettings = parseTable<ProcessSettings>(PROCESS_SETTINGS, environment, problems);
  const domains = loadDomains(environment, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...processSettings, domains };
}

/** Reads what the identity takes, so that printing a pin asks for no more. Throws ConfigError. */
export function loadIdentitySettings(
  environment: Environment,
): Pick<DomainSettings, 'CLIENT_ID_SECRET' | 'RELAY_IDENTITY_SEED'> {
  const { CLIENT_ID_SECRET, RELAY_IDENTITY_SEED } = DOMAIN_SETTINGS;
  const problems: ConfigProblem[] = [];
  const settings = parseTable({ CLIENT_ID_SECRET, RELAY_IDENTITY_SEED }, environment, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}

/** DOMAIN_MAP when it is set, one domain for every host otherwise. */
function loadDomains(environment: Environment, problems: ConfigProblem[]): Map<string, DomainSettings> {
  const domains = new Map<string, DomainSettings>();
  const text = environment['DOMAIN_MAP'];
  if (text === undefined || text === '') {
    domains.set(ANY_HOST, parseTable<DomainSettings>(DOMAIN_SETTINGS, environment, problems));
    return domains;
  }
  if (environment['UPSTREAM']) {
    problems.push({ name: 'UPSTREAM', seen: 'set beside DOMAIN_MAP', expected: 'one of the two' });
  }
  const { UPSTREAM: _, ...shared } = environment;
  for (const [host, entry] of domainEntries(text, problems)) {
    const prefix = `DOMAIN_MAP[${JSON.stringify(host)}].`;
    const own = entryVariables(prefix, entry, problems);
    domains.set(
      host.toLowerCase(),
      parseTable<DomainSettings>(DOMAIN_SETTINGS, { ...shared, ...own }, problems, prefix),
    );
  }
  return domains;
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?$/;

function domainEntries(text: string, problems: ConfigProblem[]): [string, object][] {
  const expected = 'a JSON object whose keys are hosts and whose values are objects with at least "upstream"';
  let map: unknown;
  try {
    map = JSON.parse(text);
  } catch {
    problems.push({ name: 'DOMAIN_MAP', seen: 'not JSON', expected });
    return [];
  }
  const entries = isPlainObject(map) ? Object.entries(map) : [];
  if (entries.length === 0) problems.push({ name: 'DOMAIN_MAP', seen: 'no domain', expected });
  return entries.filter((entry): entry is [string, object] => {
    const [host, value] = entry;
    if (HOST.test(host) && isPlainObject(value)) return true;
    problems.push({ name: `DOMAIN_MAP[${JSON.stringify(host)}]`, seen: `a ${typeof value}`, expected });
    return false;
  });
}

/** A domain's own settings, under the names of the variables they replace. */
function entryVariables(prefix: string, entry: object, problems: ConfigProblem[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry)) {
    const name = key.toUpperCase();
    if (name in DOMAIN_SETTINGS) {
      variables[name] = variableText(value);
    } else {
      const known = Object.keys(DOMAIN_SETTINGS).map((known) => known.toLowerCase());
      problems.push({ name: prefix + key, seen: 'no such setting', expected: `one of ${known.join(', ')}` });
    }
  }
  return variables;
}

/** A value of JSON or YAML as its variable would be written. */
export function variableText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseTable<T extends object>(
  table: SettingTable<T>,
  environment: Environment,
  problems: ConfigProblem[],
  prefix = '',
): T {
  const values: Partial<T> = {};
  for (const name of Object.keys(table) as (keyof T & string)[]) {
    const setting = table[name];
    const raw = environment[name] === '' ? undefined : environment[name];
    const result = setting.schema.safeParse(raw);
    if (result.success) {
      values[name] = result.data;
    } else {
      const shownName = prefix === '' ? name : prefix + name.toLowerCase();
      problems.push({ name: shownName, seen: describe(raw, setting.secret === true), expected: setting.expected });
    }
  }
  return values as T;
}

/** What is worth a warning though it is valid, one sentence each. */
export function settingsWarnings(settings: Settings): string[] {
  const warnings: string[] = [];
  for (const [host, domain] of settings.domains) {
    const where = host === ANY_HOST ? '' : ` of ${host}`;
    if (!domain.RELAY_IDENTITY_SEED && domain.CLIENT_ID_SECRET.some(looksHumanMade)) {
      warnings.push(
        `CLIENT_ID_SECRET${where} looks made by a person, and the public relay key is derived from it: who guesses the ` +
          'one has the other. Use a random secret, and set RELAY_IDENTITY_SEED (`mte-relay-server identity --new`).',
      );
    }
    if (domain.UPSTREAM.protocol === 'http:' && !isLocal(domain.UPSTREAM.hostname)) {
      warnings.push(
        `UPSTREAM${where} is plain http to ${domain.UPSTREAM.hostname}: the way behind the relay is not encrypted.`,
      );
    }
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
