// What can be wrong with a configuration, and how it is said.

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  readonly name: string;
  /** What was seen; a secret is masked. */
  readonly seen: string;
  readonly expected: string;
}

/** Thrown with every problem there is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  /** @param warnings said behind the problems: they may tell why there are any. */
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

/** An error's message in one line, for a listed problem. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 300);
}
