// The messages between the soak campaign and its client process.
import type { Sample } from './sample.ts';

export interface SoakJob {
  readonly seed: string;
  readonly url: string;
  readonly pin: string;
  readonly concurrency: number;
}

/** `work` until `rest`; the reply comes when everything has settled. */
export type ToSoakClient =
  | { readonly job: SoakJob }
  | { readonly work: true }
  | { readonly rest: true }
  | { readonly end: true };

/** What was done since the beginning, by kind; kinds of failures that should not be. */
export interface SoakReport {
  readonly sample: Sample;
  readonly done: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** Sessions, and those of them that were used. */
  readonly paired: number;
  readonly used: number;
}
