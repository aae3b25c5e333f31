// `mte-relay egress`: a plain HTTP port that seals its requests to a relay, for programs in any language. Listen, pair,
// serve, stop, in that order.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelayForwarder, RelayClientError, type RelayForwarder } from '@mte-relay/client/forward';
import { Listener } from './egress/listener.ts';
import { createLog, type Log } from './egress/log.ts';
import { EGRESS_HELP, egressOptions, isLoopback } from './egress/options.ts';

const DRAIN_DEADLINE_MS = 10_000;
const PAIRING_PAUSE_MS = 500;
const PAIRING_PAUSE_MAX_MS = 5_000;

/** Runs the subcommand until a signal; resolves with the exit code. Throws errors that waiting cannot resolve. */
export async function runEgress(args: readonly string[]): Promise<number> {
  const options = egressOptions(args, process.env);
  if (!options) {
    process.stdout.write(EGRESS_HELP);
    return 0;
  }
  const log = createLog(options.logLevel);
  const client = createRelayForwarder(options.relay, { pins: options.pins });
  logEvents(client, log);
  const listener = new Listener(client, log, options);
  const stopping = new AbortController();
  const signalled = stopSignal(stopping);
  const url = await listener.listen();
  log('info', 'listening', { url, relay: options.relay });
  if (!isLoopback(options.listen.host)) {
    log('warning', 'other machines can reach this port and use the relay, and traffic to it is not sealed', { url });
  }
  try {
    await firstPairing(client, log, stopping.signal);
    if (!stopping.signal.aborted) process.stdout.write(`ready ${url}\n`);
    await signalled;
    log('info', 'stopping');
    await listener.stop(DRAIN_DEADLINE_MS);
    return 0;
  } catch (error) {
    await listener.stop(0);
    throw error;
  } finally {
    stopping.abort();
    client.close();
  }
}

/** Resolves at the first signal. A second one has its default effect and ends the process. */
async function stopSignal(stopping: AbortController): Promise<void> {
  const { signal } = stopping;
  const ended = (name: string): Promise<unknown> => once(process, name, { signal }).catch(() => undefined);
  await Promise.race([ended('SIGTERM'), ended('SIGINT')]);
  stopping.abort();
}

/**
 * Resolves with the first session, made here or for a caller's request, or when stopping.
 * @throws RelayClientError when the relay's key does not match the pin, which waiting cannot resolve.
 */
async function firstPairing(client: RelayForwarder, log: Log, stopping: AbortSignal): Promise<void> {
  let paired = false;
  const unlisten = client.on('pair', () => {
    paired = true;
  });
  for (let pauseMs = PAIRING_PAUSE_MS; !paired && !stopping.aborted; pauseMs = nextPauseMs(pauseMs)) {
    try {
      await client.pair();
    } catch (error) {
      if (!(error instanceof RelayClientError) || error.code === 'pin-mismatch') throw error;
      const reason = causeOf(error);
      log('warning', 'pairing failed: retrying', { code: error.code, error: error.message, reason });
      await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
    }
  }
  unlisten();
}

function nextPauseMs(pauseMs: number): number {
  return Math.min(pauseMs * 2, PAIRING_PAUSE_MAX_MS);
}

/** The innermost cause, usually an error of the operating system. */
function causeOf(error: Error): string | undefined {
  let cause = error.cause;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  if (!(cause instanceof Error)) return undefined;
  return cause.message || (cause as { code?: string }).code;
}

function logEvents(client: RelayForwarder, log: Log): void {
  client.on('pair', ({ pin }) => log('info', 'paired', { pin }));
  client.on('rekey', ({ pin }) => log('debug', 'rekeyed', { pin }));
  client.on('resend', ({ method, reason }) => log('debug', 'request resent', { method, reason }));
  client.on('error', (error) => log('warning', 'rekey failed', { error: String(error) }));
}
