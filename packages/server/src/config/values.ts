// Values on their way to a variable's text: from JSON and YAML, and from files.
import { readFileSync } from 'node:fs';
import type { ConfigProblem, Environment } from './problems.ts';

/** A value of JSON or YAML as its variable would be written. */
export function variableText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? ',' : value.join(','); // an empty list is set, and empty
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

/** True for an object of names and values; not for lists, maps and bytes, whose content is no property. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

/** Settings whose natural value is an object. */
const OBJECTS: ReadonlySet<string> = new Set(['DOMAIN_MAP', 'HEADERS']);

/**
 * What is expected instead of a natural value whose text is not what was meant: an object where text belongs, or a secret
 * without quotes. Digits are then a number, and a long one has lost its last digits by now.
 */
export function expectedInstead(name: string, value: unknown, secret: boolean): string | undefined {
  const items: unknown[] = [value].flat();
  if (!OBJECTS.has(name) && items.some((item) => typeof item === 'object' && item !== null)) return 'text';
  const isBare = items.some((item) => typeof item === 'number' || typeof item === 'boolean');
  return secret && isBare ? 'the same in quotes' : undefined;
}

/**
 * The settings among variables, those that NAME_FILE names included, without the empty ones. An error in a file is a
 * problem that shows its path and never what is in it.
 */
export function readNamedFiles(
  variables: Environment,
  names: readonly string[],
  problems: ConfigProblem[],
  prefix = '',
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of names) {
    const own = variables[name];
    const fileName = `${name}_FILE`;
    const path = names.includes(fileName) ? undefined : variables[fileName];
    if (own) values[name] = own;
    if (!path) continue;
    const shown = prefix === '' ? fileName : prefix + fileName.toLowerCase();
    if (own) problems.push({ name: shown, seen: `set beside ${name}`, expected: 'one of the two' });
    else values[name] = readValue(shown, path, problems) ?? '';
  }
  return values;
}

/** The text of a file less one newline at its end; undefined, and a problem, when there is none. */
export function readValue(name: string, path: string, problems: ConfigProblem[]): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const value = text.replace(/\r?\n$/, '');
    if (value !== '') return value;
    problems.push({ name, seen: `${path} is empty`, expected: 'a file that holds the value' });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    problems.push({ name, seen: `cannot read ${path} (${code})`, expected: 'a file that the relay may read' });
  }
  return undefined;
}
