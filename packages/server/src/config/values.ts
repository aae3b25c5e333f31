// Values on their way to a variable's text: from JSON and YAML, and from files.
import { readFileSync } from 'node:fs';
import type { ConfigProblem, Environment } from './problems.ts';

/** A value of JSON or YAML as its variable would be written. */
export function variableText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

/** True for an object of names and values. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
