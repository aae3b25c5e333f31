// One soak campaign: a relay process, a client process, mixed traffic for a while, with a rest now and then in which both
// are measured.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { urlOf } from '@mte-relay/testing/servers';
import { requiredSettings } from '@mte-relay/testing/settings';
import type { SoakFigures } from '../../../scripts/docs/reliability-tables.ts';
import type { SoakReport, ToSoakClient } from './messages.ts';
import type { Sample } from './sample.ts';
import { startSoakUpstream } from './upstream.ts';
import { rowsOf } from './verdict.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Before the last sample: what is kept for reuse has been closed by then. */
  readonly restMs: number;
  readonly seed: string;
  readonly say: (line: string) => void;
}

const CONCURRENCY = 16;
/** Rests while work goes on. */
const RESTS = 12;
/** The relay has forgotten a session that was never used: after 30 s (SPEC §7), by a sweep every 10 s. */
export const UNUSED_FORGOTTEN_MS = 42_000;
const ROOM = { PAIRINGS_PER_MINUTE: '1000000', PAIRINGS_BURST: '1000000', KEEP_ALIVE_TIMEOUT_MS: '5000' };
const PROBE = join(import.meta.dirname, 'probe.ts');
const CLIENT = join(import.meta.dirname, 'client-process.ts');

export async function runSoak({ seconds, restMs, seed, say }: SoakOptions): Promise<SoakFigures> {
  const upstream = await startSoakUpstream();
  const probePort = await freePort();
  const relay = await startRelay({
    ...requiredSettings(upstream.url),
    ...ROOM,
    NODE_OPTIONS: `--import=${PROBE}`,
    SOAK_PROBE_PORT: `${probePort}`,
  });
  const client = fork(CLIENT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const clientSamples: Sample[] = [];
  const relaySamples: Sample[] = [];
  try {
    const before = await asked(client, { job: { seed, url: relay.url, pin: relay.pin, concurrency: CONCURRENCY } });
    const relayBefore = await sampleOf(probePort);
    const sessionsBefore = await sessionsOf(relay);
    const beganMs = performance.now();
    for (let rest = 1; rest <= RESTS; rest += 1) {
      client.send({ work: true } satisfies ToSoakClient);
      await sleep((seconds * 1_000) / RESTS);
      clientSamples.push((await asked(client, { rest: true })).sample);
      relaySamples.push(await sampleOf(probePort));
      say(
        `${rest} of ${RESTS}: heap of the relay ${relaySamples.at(-1)?.heapMb.toFixed(1)} MB, of the client ` +
          `${clientSamples.at(-1)?.heapMb.toFixed(1)} MB`,
      );
    }
    const minutes = (performance.now() - beganMs) / 60_000;
    await sleep(restMs);
    const after = await asked(client, { rest: true });
    const relayAfter = await sampleOf(probePort);
    return {
      minutes,
      done: after.done,
      failures: after.failures,
      relay: rowsOf({ before: relayBefore, during: relaySamples, after: relayAfter }, minutes),
      client: rowsOf({ before: before.sample, during: clientSamples, after: after.sample }, minutes),
      sessions: { before: sessionsBefore, paired: after.paired, used: after.used, after: await sessionsOf(relay) },
    };
  } finally {
    client.kill('SIGKILL');
    await relay.stop('SIGKILL');
    upstream.close();
  }
}

/** True when both processes end as they began. */
export function isClean({ relay, client, failures, sessions }: SoakFigures, restMs: number): boolean {
  const held = [...relay, ...client].every((row) => row.held);
  const known = restMs < UNUSED_FORGOTTEN_MS ? sessions.paired : sessions.used;
  return held && failures.length === 0 && sessions.after <= sessions.before + known;
}

async function asked(client: ChildProcess, message: ToSoakClient): Promise<SoakReport> {
  const reply = once(client, 'message');
  client.send(message);
  const [report] = (await reply) as [SoakReport];
  return report;
}

async function sampleOf(probePort: number): Promise<Sample> {
  return (await (await fetch(urlOf(probePort))).json()) as Sample;
}

async function sessionsOf({ adminPort }: RelayProcess): Promise<number> {
  const metrics = await fetch(`${urlOf(adminPort)}/metrics`, { headers: { connection: 'close' } });
  return Number(/^mte_relay_sessions (\d+)/m.exec(await metrics.text())?.[1]);
}
