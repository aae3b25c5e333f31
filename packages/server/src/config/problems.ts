// Problems of a configuration, and how they are reported.
import { MESSAGE_SHOWN_MAX_CHARACTERS } from '../limits/fixed.ts';

/** One problem of the configuration. */
export interface ConfigProblem {
  readonly name: string;
  /** What was found, secrets masked. */
  readonly seen: string;
  /** Completes "expected …". */
  readonly expected: string;
}

/** Thrown with all problems of a configuration. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  /** @param warnings printed after the problems, because they may explain them. */
  constructor(problems: readonly ConfigProblem[], warnings: readonly string[] = []) {
    const lines = problems.map(({ name, seen, expected }) => `  ${name}: ${seen}; expected ${expected}`);
    for (const warning of warnings) lines.push(`  warning: ${warning}`);
    super(`invalid configuration, ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** Exit status of a process whose configuration is wrong: EX_CONFIG of sysexits. */
export const EXIT_CONFIG = 78;

/** Variables by name, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Seen of a setting that must be set and is not. */
export const NOT_SET = 'not set';

/** The problem of a setting that excludes another one that is set too. */
export function bothSet(name: string, other: string): ConfigProblem {
  return { name, seen: `set together with ${other}`, expected: 'only one of the two' };
}

/** The place of an item in a value, by its index or its name; empty for the whole value. */
export function placeOf(key: PropertyKey | undefined): string {
  if (key === undefined) return '';
  return typeof key === 'number' ? ` as item ${key + 1}` : ` as ${JSON.stringify(key)}`;
}

/** A text without the user and password of a URL in it, whatever they contain and however the URL is written. */
export function withoutCredentials(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:(?=[/\\]))?.*(?:[/\\]{2}|:).*@/is, (_, scheme = '') => `${scheme}//…@`);
}

/** The message of an error in one line. */
export function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s+/g, ' ').slice(0, MESSAGE_SHOWN_MAX_CHARACTERS);
}
