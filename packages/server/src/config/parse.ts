// From the text of each setting in a table to its value, or to a problem that names the wrong item and never a secret.
import type * as z from 'zod';
import { VALUE_SHOWN_MAX_CHARACTERS } from '../limits/fixed.ts';
import { type ConfigProblem, type Environment, NOT_SET, placeOf, withoutCredentials } from './problems.ts';
import type { Setting, SettingTable } from './settings.ts';
import { kindOf } from './values.ts';

/**
 * Every setting of a table from its text; an empty text counts as not set. A setting that is refused adds to the problems
 * and has no value.
 * @param nameOf how a problem names a setting; default: as its variable.
 */
export function parseTable<T extends object>(
  table: SettingTable<T>,
  environment: Environment,
  problems: ConfigProblem[],
  nameOf: (name: string) => string = (name) => name,
): T {
  const values: Partial<T> = {};
  for (const name of Object.keys(table) as (keyof T & string)[]) {
    const setting = table[name];
    const text = environment[name] === '' ? undefined : environment[name];
    const result = setting.schema.safeParse(text, { reportInput: true, error: () => setting.expected });
    if (result.success) values[name] = result.data;
    else problems.push(...result.error.issues.map((issue) => problemOf(nameOf(name), text, setting, issue)));
  }
  return values as T;
}

function problemOf(
  name: string,
  text: string | undefined,
  setting: Setting<unknown>,
  { path, input, message }: z.core.$ZodIssue,
): ConfigProblem {
  const isWhole = path.length === 0;
  const seen = text === undefined ? NOT_SET : `got ${shown(isWhole ? text : input, setting.secret === true)}`;
  return { name, seen: seen + placeOf(path[0]), expected: message };
}

function shown(value: unknown, isSecret: boolean): string {
  if (typeof value !== 'string') return kindOf(value);
  // PEM may be the private key that belongs into another variable.
  if (isSecret || value.includes('-----BEGIN')) {
    return `${value.length} character${value.length === 1 ? '' : 's'} (not shown)`;
  }
  const text = withoutCredentials(value);
  return JSON.stringify(
    text.length > VALUE_SHOWN_MAX_CHARACTERS ? `${text.slice(0, VALUE_SHOWN_MAX_CHARACTERS)}…` : text,
  );
}
