// DOMAIN_MAP: from its JSON to the variables of each domain.
import { DOMAIN_SETTINGS } from './domain-settings.ts';
import { type ConfigProblem, withoutCredentials } from './problems.ts';
import type { DomainSettings } from './settings.ts';
import { isPlainObject, kindOf, naturalProblem, readNamedFiles, variableText } from './values.ts';

/** One domain of the map. */
export interface DomainEntry {
  /** As the map has it. */
  readonly host: string;
  /** The domain's own settings, under the names of the variables that they replace. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How problems and `check --print` name one host of the map, or one of its settings. */
export function nameInMap(host: string, variable?: string): string {
  const entry = `DOMAIN_MAP[${JSON.stringify(withoutCredentials(host))}]`;
  return variable === undefined ? entry : `${entry}.${variable.toLowerCase()}`;
}

/** The domains of the map, without those that are wrong: they add to the problems. */
export function readDomainMap(text: string, problems: ConfigProblem[]): DomainEntry[] {
  const hosts = new Set<string>();
  return mapEntries(text, problems).map(([host, entry]) => {
    const name = host.toLowerCase();
    if (hosts.has(name)) {
      problems.push({ name: nameInMap(host), seen: 'got a host for the second time', expected: 'each host once' });
    }
    hosts.add(name);
    return { host, variables: ownVariables(host, entry, problems) };
  });
}

const MAP = 'a JSON object of at least one host, such as {"api.example.com": {"upstream": "http://api:3000"}}';

function mapEntries(text: string, problems: ConfigProblem[]): [string, object][] {
  const map = parsedMap(text);
  if (typeof map === 'string') {
    problems.push({ name: 'DOMAIN_MAP', seen: `got ${map}`, expected: MAP });
    return [];
  }
  return Object.entries(map).filter((entry): entry is [string, object] => isDomain(entry, problems));
}

/** The map, or what the text is instead. */
function parsedMap(text: string): Record<string, unknown> | string {
  let map: unknown;
  try {
    map = JSON.parse(text);
  } catch {
    return 'text that is not JSON';
  }
  if (!isPlainObject(map)) return kindOf(map);
  return Object.keys(map).length > 0 ? map : 'an object without a host';
}

function isDomain([host, value]: [string, unknown], problems: ConfigProblem[]): boolean {
  const name = nameInMap(host);
  const isKey = isHost(host);
  if (!isKey) problems.push({ name, seen: 'got a key that is not a host', expected: hostInstead(host) });
  const isEntry = isPlainObject(value);
  if (!isEntry) {
    const expected = 'an object of settings such as {"upstream": "http://api:3000"}';
    problems.push({ name, seen: `got ${kindOf(value)}`, expected });
  }
  return isKey && isEntry;
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?$/;

function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`http://${text}`);
}

/** What is expected instead of a key: the host in it, if there is one. */
function hostInstead(key: string): string {
  const url = /^https?:\/\//i.test(key) ? key : `http://${key}`;
  const host = URL.canParse(url) ? new URL(url).host : '';
  return isHost(host)
    ? `${host}, the form that clients send`
    : 'a host of letters, digits, "." and "-", or an IPv6 address in brackets; each with or without a port up to 65535';
}

function ownVariables(host: string, entry: object, problems: ConfigProblem[]): Record<string, string> {
  const names = Object.keys(DOMAIN_SETTINGS);
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry)) {
    const variable = key.toUpperCase();
    const name = `${nameInMap(host)}.${key}`;
    const isSecret = DOMAIN_SETTINGS[variable as keyof DomainSettings]?.secret === true;
    const problem = naturalProblem(variable, value, isSecret);
    if (!names.includes(variable) && !names.includes(variable.replace(/_FILE$/, ''))) {
      const known = names.map((known) => known.toLowerCase()).join(', ');
      problems.push({ name, seen: 'not a setting of a domain', expected: `one of ${known}` });
    } else if (problem !== undefined) {
      problems.push({ name, ...problem });
    } else if (value !== null) {
      variables[variable] = variableText(value);
    }
  }
  return readNamedFiles(variables, names, problems, (name) => nameInMap(host, name));
}
