// The doctor's report: one finding per check, as lines or as JSON, and the exit code.
import { EXIT_PIN_MISMATCH, EXIT_UNREACHABLE } from '../exit.ts';

const EXIT_WARNINGS = 2;
const EXIT_FAILED = 3;

/** The result of a check. `skipped`: it was not made; the finding gives the reason. */
export type State = 'ok' | 'warning' | 'failed' | 'skipped';

/** One check of a deployment. */
export interface Finding {
  /** Name of the check, one to three words. */
  readonly check: string;
  readonly state: State;
  /** The observation. */
  readonly saw: string;
  /** What to do about it. */
  readonly todo?: string | undefined;
  /** Measured values, units in their names. */
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

const MARK: Readonly<Record<State, string>> = { ok: '✓', warning: '!', failed: '✗', skipped: '–' };
const CHECK_WIDTH = 16;
/** Longest sentence, because it may quote a server. */
const SENTENCE_MAX_CHARACTERS = 1000;
/** Characters that act on a terminal: controls, and marks that change the direction of text. */
const NOT_SHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Collects findings and reports each at once. */
export class Report {
  readonly findings: Finding[] = [];
  /** Set by the two failures with their own exit codes. */
  pinMismatch = false;
  unreachable = false;
  readonly #tell: (finding: Finding) => void;

  constructor(tell: (finding: Finding) => void) {
    this.#tell = tell;
  }

  add({ saw, todo, ...rest }: Finding): void {
    const finding = { ...rest, saw: shown(saw), ...(todo !== undefined && { todo: shown(todo) }) };
    this.findings.push(finding);
    this.#tell(finding);
  }

  ok(check: string, saw: string, facts?: Finding['facts']): void {
    this.add({ check, state: 'ok', saw, ...(facts && { facts }) });
  }

  warn(check: string, saw: string, todo: string, facts?: Finding['facts']): void {
    this.add({ check, state: 'warning', saw, todo, ...(facts && { facts }) });
  }

  fail(check: string, saw: string, todo: string, facts?: Finding['facts']): void {
    this.add({ check, state: 'failed', saw, todo, ...(facts && { facts }) });
  }

  skip(check: string, saw: string): void {
    this.add({ check, state: 'skipped', saw });
  }

  count(state: State): number {
    return this.findings.filter((finding) => finding.state === state).length;
  }

  /** 0 all passed, 2 warnings, 3 a check failed, 7 unreachable, 60 the relay's key does not match the pin. */
  get exitCode(): number {
    if (this.unreachable) return EXIT_UNREACHABLE;
    if (this.pinMismatch) return EXIT_PIN_MISMATCH;
    if (this.count('failed') > 0) return EXIT_FAILED;
    return this.count('warning') > 0 ? EXIT_WARNINGS : 0;
  }

  get summary(): string {
    const [ok, warning, failed, skipped] = (['ok', 'warning', 'failed', 'skipped'] as const).map((state) =>
      this.count(state),
    );
    return `${ok} ok, ${warning} warnings, ${failed} failed, ${skipped} skipped`;
  }
}

function shown(text: string): string {
  const cut = text.length > SENTENCE_MAX_CHARACTERS ? `${text.slice(0, SENTENCE_MAX_CHARACTERS)}…` : text;
  return cut.replace(NOT_SHOWN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A finding as text: one line, and what to do on the next. */
export function lineOf({ check, state, saw, todo }: Finding): string {
  const line = `${MARK[state]} ${check.padEnd(CHECK_WIDTH)}${saw}`;
  return todo === undefined ? line : `${line}\n${' '.repeat(CHECK_WIDTH + 2)}→ ${todo}`;
}
