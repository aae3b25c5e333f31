// From variables to settings. Every problem is found before any is reported.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { nameInMap, readDomainMap } from './domain-map.ts';
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { parseTable } from './parse.ts';
import { bothSet, ConfigError, type ConfigProblem, type Environment, NOT_SET } from './problems.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import type { DomainSettings, ProcessSettings, Settings, SettingTable } from './settings.ts';

/** The domain that serves every host. */
export const ANY_HOST = '*';

/** How problems and `check --print` name a setting of a domain. */
export function nameInDomain(host: string, variable: string): string {
  return host === ANY_HOST ? variable : nameInMap(host, variable);
}

/** Problems and warnings from reading the sources, before any value is parsed. */
export interface FoundBefore {
  readonly problems: readonly ConfigProblem[];
  /** True if a source could not be read, so that a setting that seems to be missing may be in it. */
  readonly incomplete: boolean;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads every setting from the environment. An empty variable counts as not set.
 * @param sources the problems and warnings from reading the sources of the environment; default: none.
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
    problems.push(bothSet('SESSIONS_MODULE', 'REDIS_URL'));
  }
  throwIfAny(sources, problems);
  return { ...processSettings, domains };
}

/** Without its key, the relay cannot present the certificate to the upstream. */
function checkUpstreamPair(host: string, domain: DomainSettings, problems: ConfigProblem[]): void {
  const { UPSTREAM_CERT: certificate, UPSTREAM_KEY: key } = domain;
  const [missing, other] =
    certificate === undefined
      ? (['UPSTREAM_CERT', 'UPSTREAM_KEY'] as const)
      : (['UPSTREAM_KEY', 'UPSTREAM_CERT'] as const);
  const missingName = nameInDomain(host, missing);
  if (certificate !== undefined && key !== undefined) {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return;
    problems.push({
      name: nameInDomain(host, 'UPSTREAM_KEY'),
      seen: 'got the key of another certificate',
      expected: 'the key of the first certificate in UPSTREAM_CERT',
    });
  } else if (certificate !== key && !problems.some(({ name }) => name === missingName)) {
    problems.push({ name: missingName, seen: NOT_SET, expected: `a value, because ${other} is set` });
  }
}

/** @throws ConfigError if there is a problem. A value that a source failed to give is not reported as missing too. */
function throwIfAny({ problems: found, incomplete, warnings }: FoundBefore, parsed: readonly ConfigProblem[]): void {
  const all = [...found, ...parsed];
  if (all.length === 0) return;
  const failed = new Set(all.filter(({ name }) => /_FILE$/i.test(name)).map(({ name }) => name.slice(0, -5)));
  const causes = all.filter(({ name, seen }) => seen !== NOT_SET || !(incomplete || failed.has(name)));
  throw new ConfigError(causes, warnings);
}

/** The settings that the identity of a domain is made from. */
export type IdentitySettings = Pick<DomainSettings, 'CLIENT_ID_SECRET' | 'RELAY_IDENTITY_SEED'>;

/**
 * Reads the settings of the identity alone, so that printing a pin requires no others.
 * @throws ConfigError that lists all problems.
 */
export function loadIdentitySettings(
  environment: Environment,
  sources: FoundBefore,
): ReadonlyMap<string, IdentitySettings> {
  const { CLIENT_ID_SECRET, RELAY_IDENTITY_SEED } = DOMAIN_SETTINGS;
  const problems: ConfigProblem[] = [];
  const domains = loadDomains({ CLIENT_ID_SECRET, RELAY_IDENTITY_SEED }, environment, problems);
  throwIfAny(sources, problems);
  return domains;
}

/** The domains of DOMAIN_MAP if it is set, else one domain for every host. */
function loadDomains<T extends object>(
  table: SettingTable<T>,
  environment: Environment,
  problems: ConfigProblem[],
): Map<string, T> {
  const map = environment['DOMAIN_MAP'];
  if (map === undefined || map === '') return new Map([[ANY_HOST, parseTable<T>(table, environment, problems)]]);
  if (environment['UPSTREAM']) problems.push(bothSet('UPSTREAM', 'DOMAIN_MAP'));
  const { UPSTREAM: _, ...shared } = environment;
  return new Map(
    readDomainMap(map, problems).map(({ host, variables }) => {
      const values = { ...shared, ...variables };
      return [host.toLowerCase(), parseTable<T>(table, values, problems, (name) => nameInMap(host, name))];
    }),
  );
}

/** The port when ADMIN_PORT is auto. */
const ADMIN_PORT_DEFAULT = 9090;

/**
 * The port of /livez, /readyz and /metrics; undefined if it is off.
 * @param publicPort the port that the relay was asked to listen on.
 */
export function adminPortOf(settings: Settings, publicPort: number): number | undefined {
  if (settings.ADMIN_PORT === 'off') return undefined;
  if (settings.ADMIN_PORT !== 'auto') return settings.ADMIN_PORT;
  return publicPort === 0 ? 0 : ADMIN_PORT_DEFAULT;
}

/** Warnings about valid settings, one sentence each. */
export function settingsWarnings(settings: Settings): string[] {
  const warnings: string[] = [];
  for (const [host, domain] of settings.domains) {
    const where = host === ANY_HOST ? '' : ` of ${host}`;
    if (!domain.RELAY_IDENTITY_SEED && domain.CLIENT_ID_SECRET.some(looksHumanMade)) {
      warnings.push(
        `CLIENT_ID_SECRET${where} looks made by a person, and the relay key is derived from it: an attacker who guesses ` +
          'the secret has the key. Use a random secret, and set RELAY_IDENTITY_SEED (`mte-relay-server identity --new`).',
      );
    }
    if (domain.OUTER_FIELDS_PASSED.length > 0 && settings.TRUSTED_PROXIES.length === 0) {
      warnings.push(`OUTER_FIELDS_PASSED${where} has no effect: TRUSTED_PROXIES names no proxy to take them from.`);
    }
    if (domain.UPSTREAM.protocol === 'http:' && !isLocal(domain.UPSTREAM.hostname)) {
      const to = domain.UPSTREAM.hostname;
      warnings.push(`UPSTREAM${where} is plain http to ${to}: the connection to the upstream is not encrypted.`);
    }
  }
  return warnings;
}

/** A random secret of 32 characters mixes cases and digits, and repeats few; words and patterns do not. */
function looksHumanMade(secret: string): boolean {
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((kind) => kind.test(secret)).length;
  const isHex = /^[0-9a-f]+$/i.test(secret);
  if (new Set(secret).size < (isHex ? 8 : 14)) return true;
  if (/(.)\1{3}|0123|1234|abcd|qwer|password|secret|change/i.test(secret)) return true;
  return !isHex && classes < 3;
}

/** Loopback, private ranges (RFC 1918, RFC 4193), and names without a dot or inside a cluster. */
function isLocal(hostname: string): boolean {
  return (
    /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd])/.test(hostname) ||
    !hostname.includes('.') ||
    /\.(?:local|internal|svc)$/.test(hostname)
  );
}
