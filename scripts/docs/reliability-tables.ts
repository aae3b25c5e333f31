// The tables of docs/reliability.md, "Chaos" and "Soak": made from saved runs of test/reliability and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from './markdown-table.ts';

const RESULTS = join(import.meta.dirname, '../../test/reliability/results');
export const CHAOS_RESULT: string = join(RESULTS, 'chaos.json');
export const SOAK_RESULT: string = join(RESULTS, 'soak.json');

/** What a campaign ran on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Load average of the last minute before it. */
  readonly loadBefore: number;
}

interface Saved {
  readonly date: string;
  readonly seed: string;
  readonly machine: Machine;
}

/** What must never happen. */
export type Violation = 'ranTwice' | 'ranLate' | 'ranDespiteNever' | 'hung' | 'wrongResponse';

/** The figures of one chaos campaign. */
export interface CampaignFigures {
  readonly setup: string;
  readonly title: string;
  readonly seconds: number;
  readonly calls: number;
  readonly unsafeCalls: number;
  readonly succeeded: number;
  readonly mayHaveRun: number;
  readonly neverRan: number;
  readonly aborted: number;
  readonly resent: number;
  /** Messages that the intermediary or the upstream did not treat as it should. */
  readonly messageFaults: number;
  readonly outages: number;
  readonly violations: Readonly<Record<Violation, number>>;
  /** By kind of outage, ms: the longest time until every client had a success again; null: one never had. */
  readonly unavailableMs: Readonly<Record<string, number | null>>;
}

export type SavedCampaign = Saved & CampaignFigures;

/** A figure of a process in a soak campaign. */
export interface SoakRow {
  readonly what: string;
  readonly before: number;
  /** After the first third. */
  readonly settled: number;
  readonly after: number;
  /** By a straight line through the last two thirds, per minute. */
  readonly perMinute?: number | undefined;
  /** More than this at the end is a leak. */
  readonly most: number;
  readonly held: boolean;
}

export interface SoakFigures {
  readonly minutes: number;
  /** Pieces of work, by kind. */
  readonly done: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  readonly relay: readonly SoakRow[];
  readonly client: readonly SoakRow[];
  readonly sessions: {
    readonly before: number;
    readonly paired: number;
    readonly used: number;
    readonly after: number;
  };
}

export type SavedSoak = Saved & SoakFigures;

/** Above this load average per core the machine had much other work. */
const BUSY_LOAD = 1;

function measuredOn({ date, machine }: Saved): string {
  const { cpu, cores, node, loadBefore } = machine;
  return `Measured ${date} on ${cpu}, ${cores} cores, Node ${node}, load average before it ${loadBefore.toFixed(1)}.`;
}

function busyNotice(all: readonly Saved[]): string {
  const busy = all.some(({ machine }) => machine.loadBefore > BUSY_LOAD * machine.cores);
  return busy ? '\n**The machine had other work: on a quiet one, times are shorter.**\n' : '';
}

/** Markdown: a row per set-up, then the longest times without a success. */
function chaosTables(campaigns: readonly SavedCampaign[]): string {
  const [first] = campaigns;
  if (first === undefined) return '\nNo campaign is saved.\n\n';
  const rows = campaigns.map((one) => {
    const { violations } = one;
    const counts = [one.unsafeCalls, one.calls - one.unsafeCalls, one.messageFaults, one.outages];
    const told = [one.succeeded, one.resent, one.mayHaveRun, one.neverRan, one.aborted];
    const faults = [violations.ranTwice, violations.ranLate, violations.ranDespiteNever, violations.hung];
    return [one.title, ...counts, ...told, ...faults, violations.wrongResponse].map(String);
  });
  const head = [
    'Set-up',
    'Not safe',
    'GET',
    'Faults of messages',
    'Outages',
    'Succeeded',
    'Resent',
    'May have run',
    'Never ran',
    'Given up',
    '**Ran twice**',
    '**Ran late**',
    '**Ran, told never**',
    '**Hung**',
    '**Wrong response**',
  ];
  const seeds = [...new Set(campaigns.map(({ seed }) => `\`${seed}\``))].join(', ');
  return `
${measuredOn(first)} Seed ${seeds}.
${busyNotice(campaigns)}
${markdownTable(head, rows)}
The longest time from an outage until each client had a success again, in seconds, with the outage itself:

${unavailabilityTable(campaigns)}
`;
}

function unavailabilityTable(campaigns: readonly SavedCampaign[]): string {
  const kinds = [...new Set(campaigns.flatMap(({ unavailableMs }) => Object.keys(unavailableMs)))].sort();
  const cell = (ms: number | null | undefined): string =>
    ms === undefined ? '' : ms === null ? 'never' : (ms / 1_000).toFixed(1);
  const rows = kinds.map((kind) => [kind, ...campaigns.map(({ unavailableMs }) => cell(unavailableMs[kind]))]);
  return markdownTable(['Outage', ...campaigns.map(({ setup }) => setup)], rows);
}

/** Markdown: what was done, then a row per figure of each process. */
function soakTables(soak: SavedSoak | null): string {
  if (soak === null) return '\nNo campaign is saved.\n\n';
  const { minutes, done, relay, client, sessions } = soak;
  const total = Object.values(done).reduce((sum, count) => sum + count, 0);
  const rows = [...relay.map((row) => ['relay', row] as const), ...client.map((row) => ['client', row] as const)];
  const cells = rows.map(([process, row]) => [
    process,
    row.what,
    ...[row.before, row.settled, row.after, row.most, row.perMinute].map(shown),
  ]);
  return `
${measuredOn(soak)} Seed \`${soak.seed}\`: ${minutes.toFixed(0)} minutes, ${total} pieces of work, failures:
${soak.failures.length}. Sessions at the relay: ${sessions.before} before, ${sessions.paired} paired, of these ${sessions.used} used, ${sessions.after} after.
${busyNotice([soak])}
${markdownTable(['Process', 'Figure', 'Before', 'After a third', 'After', 'At most', 'Per minute'], cells)}
`;
}

function shown(value: number | undefined): string {
  if (value === undefined) return '';
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

/** The tables of the saved runs. */
export function savedReliabilityTables(): { readonly chaos: string; readonly soak: string } {
  return {
    chaos: chaosTables(read(CHAOS_RESULT) as SavedCampaign[]),
    soak: soakTables(read(SOAK_RESULT) as SavedSoak),
  };
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
