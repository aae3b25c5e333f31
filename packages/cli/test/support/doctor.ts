// The doctor as a process, and what it found.
import { once } from 'node:events';
import { Backend } from '@mte-relay/testing/backend';
import { startScript } from '@mte-relay/testing/processes';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { requiredSettings } from '@mte-relay/testing/settings';
import { TcpForwarder } from '@mte-relay/testing/tcp-forwarder';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';

export interface Found {
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly saw: string;
  readonly todo?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface Examined {
  readonly exitCode: number | null;
  /** By check. */
  readonly found: Readonly<Record<string, Found>>;
  readonly output: string;
  /** Names of checks in these states, in order. */
  checks(...states: Found['state'][]): string[];
}

/** A relay that is well, before a backend that is. */
export interface HealthyRelay {
  readonly backend: Backend;
  readonly port: number;
  readonly url: string;
  readonly pin: string;
}

/** One for all tests of a file; each begins with a backend that has run nothing. */
export function useRelay(): HealthyRelay {
  const backend = new Backend();
  let relay: RelayProcess;
  beforeAll(async () => {
    await backend.start();
    relay = await startRelay(requiredSettings(backend.url));
  });
  afterAll(async () => {
    await relay.stop('SIGKILL');
    backend.stop();
  });
  beforeEach(() => {
    backend.forget();
    backend.handler = (_req, res) => res.end('well');
  });
  return {
    backend,
    get port() {
      return relay.port;
    },
    get url() {
      return relay.url;
    },
    get pin() {
      return relay.pin;
    },
  };
}

/** Runs `mte-relay doctor URL … --json`. */
export async function examine(url: string, ...args: string[]): Promise<Examined> {
  const { exitCode, output } = await runDoctor(url, ...args, '--json');
  const { findings } = JSON.parse(output) as { findings: (Found & { check: string })[] };
  return {
    exitCode,
    output,
    found: Object.fromEntries(findings.map((finding) => [finding.check, finding])),
    checks: (...states) => findings.filter(({ state }) => states.includes(state)).map(({ check }) => check),
  };
}

/** Without uploads, and with one timed call: for faults that have nothing to do with either. */
export function examineQuickly(url: string, ...args: string[]): Promise<Examined> {
  return examine(url, '--calls', '1', '--upload-mb', '0', ...args);
}

/** Runs `mte-relay doctor` with these arguments. */
export function runDoctor(...args: string[]): Promise<{ exitCode: number | null; output: string }> {
  return runDoctorWith({}, ...args);
}

/** The same, with these variables. */
export async function runDoctorWith(
  environment: Record<string, string>,
  ...args: string[]
): Promise<{ exitCode: number | null; output: string }> {
  const running = startScript('packages/cli/bin/mte-relay.js', ['doctor', ...args], environment);
  if (running.child.exitCode === null) await once(running.child, 'close');
  await until(() => running.output() !== '');
  return { exitCode: running.child.exitCode, output: running.output() };
}

/** A finding of this state, whose sentence and advice match. */
export function finding(state: Found['state'], saw: RegExp, todo?: RegExp): unknown {
  return expect.objectContaining({
    state,
    saw: expect.stringMatching(saw),
    ...(todo && { todo: expect.stringMatching(todo) }),
  });
}

/** A balancer of connections, as a service of Kubernetes is: each new one goes to the next pod. Ended with the test. */
export async function balanceConnections(
  pods: readonly { readonly port: number }[],
): Promise<{ readonly url: string; readonly counts: readonly number[] }> {
  const counts = pods.map(() => 0);
  let turn = 0;
  const balancer = new TcpForwarder(() => {
    const at = turn % pods.length;
    turn += 1;
    counts[at] = (counts[at] as number) + 1;
    return (pods[at] as { port: number }).port;
  });
  const { url } = endsWithTest(await balancer.start());
  return { url, counts };
}
