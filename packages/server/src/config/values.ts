// Converts natural values of JSON and YAML, and files, to the texts of variables.
import { readFileSync } from 'node:fs';
import { bothSet, type ConfigProblem, type Environment, placeOf } from './problems.ts';

/** A value of JSON or YAML as the text of its variable. */
export function variableText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? ',' : value.join(','); // the empty text would count as not set
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

/** True for an object of names and values; false for arrays, maps and bytes. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

/** The kind of a value of JSON or YAML, with its article. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Settings whose natural value is an object. */
const OBJECTS: ReadonlySet<string> = new Set(['DOMAIN_MAP', 'HEADERS', 'REQUEST_HEADERS', 'RESPONSE_HEADERS']);

/** The problem of a value whose name is known elsewhere. */
type NamelessProblem = Omit<ConfigProblem, 'name'>;

/** The problem of a natural value whose text would not be the one that was meant; undefined when there is no problem. */
export function naturalProblem(name: string, value: unknown, isSecret: boolean): NamelessProblem | undefined {
  if (OBJECTS.has(name)) return undefined;
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const [at, item] of items.entries()) {
    const expected = expectedInstead(item, isSecret);
    const place = Array.isArray(value) ? placeOf(at) : '';
    if (expected !== undefined) return { seen: `got ${kindOf(item)}${place}`, expected };
  }
  return undefined;
}

function expectedInstead(item: unknown, isSecret: boolean): string | undefined {
  if (typeof item === 'object' && item !== null) return 'text';
  // A number of many digits has lost the last of them.
  const isBare = typeof item === 'number' || typeof item === 'boolean';
  return isSecret && isBare ? 'the same value in quotes' : undefined;
}

/**
 * The settings among variables, also those in a file that NAME_FILE names, without empty ones. The problem of a file shows
 * its path and never its content.
 * @param nameOf how a problem names a variable; default: as it is.
 */
export function readNamedFiles(
  variables: Environment,
  names: readonly string[],
  problems: ConfigProblem[],
  nameOf: (name: string) => string = (name) => name,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of names) {
    const own = variables[name];
    const fileName = `${name}_FILE`;
    const path = names.includes(fileName) ? undefined : variables[fileName];
    if (own) values[name] = own;
    if (!path) continue;
    const shown = nameOf(fileName);
    if (own) problems.push(bothSet(shown, name));
    else values[name] = readValue(shown, path, problems) ?? '';
  }
  return values;
}

/** The text of a file without one newline at its end; undefined, after adding a problem, if it is empty or unreadable. */
export function readValue(name: string, path: string, problems: ConfigProblem[]): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const value = text.replace(/\r?\n$/, '');
    if (value !== '') return value;
    problems.push({ name, seen: `${path} is empty`, expected: 'a file that contains the value' });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    problems.push({ name, seen: `cannot read ${path} (${code})`, expected: 'a readable file' });
  }
  return undefined;
}
