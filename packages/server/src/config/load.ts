// Configuration parses, or the process does not start: every problem is found before any is reported.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { ConfigError, type ConfigProblem, type Environment } from './problems.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import type { DomainSettings, ProcessSettings, Settings, SettingTable } from './settings.ts';
import { expectedInstead, isPlainObject, readNamedFiles, variableText } from './values.ts';

/** The domain that serves every host. */
export const ANY_HOST = '*';

/** What reading the sources found, before any value was looked at. */
export interface FoundBefore {
  readonly problems: readonly ConfigProblem[];
  /** True when a source could not be read at all, so that what is not set may only be unknown. */
  readonly incomplete: boolean;
  /** What is worth a warning though it is valid, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads every setting from the environment. An empty variable counts as not set.
 * @param sources what reading the environment's sources found already.
 * @throws ConfigError that lists all problems.
 */
export function loadSettings(
  environment: Environment,
  sources: FoundBefore = { problems: [], incomplete: false, warnings: [] },
): Settings {
  const problems: ConfigProblem[] = [];
  const processSettings = parseTable<ProcessSettings>(PROCESS_SETTINGS, environment, problems);
  const domains = loadDomains(DOMAIN_SETTINGS, environment, problems);
  for (const [host, domain] of domains) checkUpstreamPair(host, domain, problems);
  if (environment['SESSIONS_MODULE'] && environment['REDIS_URL']) {
    problems.push({ name: 'SESSIONS_MODULE', seen: 'set beside REDIS_URL', expected: 'one of the two' });
  }
  if (sources.problems.length + problems.length > 0)
    throw new ConfigError(together(sources, problems), sources.warnings);
  return { ...processSettings, domains };
}

/** A certificate and its key go together, or the upstream is shown none. */
function checkUpstreamPair(host: string, domain: DomainSettings, problems: ConfigProblem[]): void {
  const shown = (name: string): string =>
    host === ANY_HOST ? name : `DOMAIN_MAP[${JSON.stringify(host)}].${name.toLowerCase()}`;
  const { UPSTREAM_CERT: certificate, UPSTREAM_KEY: key } = domain;
  const missing = certificate === undefined ? 'UPSTREAM_CERT' : 'UPSTREAM_KEY';
  const other = certificate === undefined ? 'UPSTREAM_KEY' : 'UPSTREAM_CERT';
  if (certificate !== undefined && key !== undefined) {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return;
    problems.push({
      name: shown('UPSTREAM_KEY'),
      seen: 'the key of another certificate',
      expected: 'that of UPSTREAM_CERT',
    });
  } else if (certificate !== key && !problems.some(({ name }) => name === shown(missing))) {
    problems.push({ name: shown(missing), seen: NOT_SET, expected: `set, since ${other} is` });
  }
}

/** What a source could not give is its problem alone: that it is then missing is no second one. */
function together({ problems: found, incomplete }: FoundBefore, problems: readonly ConfigProblem[]): ConfigProblem[] {
  const all = [...found, ...problems];
  const failed = new Set(all.filter(({ name }) => /_FILE$/i.test(name)).map(({ name }) => name.slice(0, -5)));
  return all.filter(({ name, seen }) => seen !== NOT_SET || !(incomplete || failed.has(name)));
}

/** What the identity of a domain takes. */
export type IdentitySettings = Pick<DomainSettings, 'CLIENT_ID_SECRET' | 'RELAY_IDENTITY_SEED'>;

/** Reads what the identity takes, so that printing a pin asks for no more. Throws ConfigError. */
export function loadIdentitySettings(
  environment: Environment,
  sources: FoundBefore,
): ReadonlyMap<string, IdentitySettings> {
  const { CLIENT_ID_SECRET, RELAY_IDENTITY_SEED } = DOMAIN_SETTINGS;
  const problems: ConfigProblem[] = [];
  const domains = loadDomains({ CLIENT_ID_SECRET, RELAY_IDENTITY_SEED }, environment, problems);
  if (sources.problems.length + problems.length > 0)
    throw new ConfigError(together(sources, problems), sources.warnings);
  return domains;
}

/** DOMAIN_MAP when it is set, one domain for every host otherwise. */
function loadDomains<T extends object>(
  table: SettingTable<T>,
  environment: Environment,
  problems: ConfigProblem[],
): Map<string, T> {
  const domains = new Map<string, T>();
  const text = environment['DOMAIN_MAP'];
  if (text === undefined || text === '') {
    domains.set(ANY_HOST, parseTable<T>(table, environment, problems));
    return domains;
  }
  if (environment['UPSTREAM']) {
    problems.push({ name: 'UPSTREAM', seen: 'set beside DOMAIN_MAP', expected: 'one of the two' });
  }
  const { UPSTREAM: _, ...shared } = environment;
  for (const [host, entry] of domainEntries(text, problems)) {
    const prefix = `DOMAIN_MAP[${JSON.stringify(host)}].`;
    const own = entryVariables(prefix, entry, problems);
    const name = host.toLowerCase();
    if (domains.has(name)) {
      problems.push({
        name: `DOMAIN_MAP[${JSON.stringify(host)}]`,
        seen: 'the same host again',
        expected: 'one entry',
      });
    }
    domains.set(name, parseTable<T>(table, { ...shared, ...own }, problems, prefix));
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
  const names = Object.keys(DOMAIN_SETTINGS);
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry)) {
    const name = key.toUpperCase();
    const expected = expectedInstead(name, value, DOMAIN_SETTINGS[name as keyof DomainSettings]?.secret === true);
    if (!names.includes(name) && !names.includes(name.replace(/_FILE$/, ''))) {
      const known = names.map((known) => known.toLowerCase());
      problems.push({ name: prefix + key, seen: 'no such setting', expected: `one of ${known.join(', ')}` });
    } else if (expected !== undefined) {
      problems.push({ name: prefix + key, seen: 'not text', expected });
    } else if (value !== null) {
      variables[name] = variableText(value);
    }
  }
  return readNamedFiles(variables, names, problems, prefix);
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
      const own = result.error.issues.find(({ code, message }) => code === 'custom' && message !== ZOD_UNSAID)?.message;
      const seen = own ?? describe(raw, setting.secret === true);
      problems.push({ name: shownName, seen, expected: setting.expected });
    }
  }
  return values as T;
}

/** The port when ADMIN_PORT is auto. */
const ADMIN_PORT_DEFAULT = 9090;

/** The operators’ port to listen on; undefined for none. @param publicPort the one that the relay was asked to listen on. */
export function adminPortOf(settings: Settings, publicPort: number): number | undefined {
  if (settings.ADMIN_PORT === 'off') return undefined;
  if (settings.ADMIN_PORT !== 'auto') return settings.ADMIN_PORT;
  return publicPort === 0 ? 0 : ADMIN_PORT_DEFAULT;
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

const NOT_SET = 'not set';
/** The message of a check that says nothing of its own. */
const ZOD_UNSAID = 'Invalid input';

function describe(raw: string | undefined, secret: boolean): string {
  if (raw === undefined) return NOT_SET;
  if (secret) return `set, ${raw.length} characters (not shown)`;
  const shown = raw.replace(/\/\/.*@/s, '//…@'); // a URL's user and password, whatever is in them
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
