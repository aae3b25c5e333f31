// The command `start`: reads the settings, runs a relay and shuts it down. It handles signals from the first line: a
// signal without a handler does not end process 1 of a container, and an operator's module may take long to load.
import { once } from 'node:events';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { nodeSuite } from '@mte-relay/protocol/node';
import { readConfiguration } from './config/configuration.ts';
import type { Environment } from './config/problems.ts';
import { effectiveSettings } from './config/shown.ts';
import { EXIT_MS } from './limits/fixed.ts';
import { faultOf } from './observe/fault.ts';
import { createLogger, type Logger } from './observe/log.ts';
import { startOpenTelemetry } from './observe/open-telemetry.ts';
import { createRelay, type Relay } from './relay.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** The log and the resources that a starting process has opened so far. */
interface Opened {
  log: Logger | undefined;
  /** Closed in reverse order. */
  readonly resources: AsyncDisposableStack;
}

/** A relay that listens. */
interface Started {
  readonly relay: Relay;
  readonly log: Logger;
}

/**
 * Runs a relay until a signal ends the process.
 * @returns the exit status.
 * @throws ConfigError, or another error that keeps the relay from listening.
 */
export async function start(from: Environment): Promise<number> {
  const opened: Opened = { log: undefined, resources: new AsyncDisposableStack() };
  const stopping = handleSignals(opened);
  let started: Started | undefined;
  try {
    started = await Promise.race([startRelay(from, opened, stopping), aborted(stopping)]);
    if (started) await serve(started, stopping);
    else opened.log?.info('stopped before listening');
  } finally {
    await opened.resources.disposeAsync();
  }
  opened.log?.info('relay has closed');
  // Otherwise the step in progress would continue with the next one.
  if (!started) exit(0, opened.log);
  return 0;
}

/** Aborts with the first signal. With a second one the process exits at once, as if the signal had no handler. */
function handleSignals(opened: Opened): AbortSignal {
  const stopping = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (stopping.signal.aborted) {
        opened.log?.warn({ signal }, 'second signal: exiting now');
        return exit(128 + constants.signals[signal], opened.log);
      }
      stopping.abort();
    });
  }
  return stopping.signal;
}

async function aborted(stopping: AbortSignal): Promise<undefined> {
  if (!stopping.aborted) await once(stopping, 'abort');
}

/** Opens one resource after the other, until the process is stopping. */
async function startRelay(from: Environment, opened: Opened, stopping: AbortSignal): Promise<Started> {
  const { environment, settings, modules, warnings } = await readConfiguration(from);
  stopping.throwIfAborted();
  const log = createLogger(settings.LOG_LEVEL, settings.LOG_MODULE);
  opened.log = log;
  endOnFault(log);
  for (const warning of warnings) log.warn(warning);
  const traces = await startOpenTelemetry(settings, log);
  if (traces) opened.resources.defer(() => traces.shutdown());
  stopping.throwIfAborted();
  const sessions = await modules.sessions?.(settings, nodeSuite());
  stopping.throwIfAborted();
  const relay = createRelay({
    environment,
    log,
    ...(sessions && { sessions }),
    ...(traces && { openTelemetry: traces.api }),
  });
  opened.resources.defer(() => relay.close());
  try {
    await modules.startup?.({ settings: effectiveSettings(settings), log });
  } catch (error) {
    throw new Error(`STARTUP_MODULE failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  stopping.throwIfAborted();
  await listen({ relay, log });
  return { relay, log };
}

async function listen({ relay, log }: Started): Promise<void> {
  const port = await relay.listen();
  for (const [domain, { UPSTREAM }] of relay.settings.domains) {
    const { adminPort, integrity } = relay;
    const pin = relay.pins.get(domain);
    log.info({ port, adminPort, domain, upstream: UPSTREAM.href, pin, integrity }, 'relay is listening');
  }
}

/** Serves until a signal, and then as long as load balancers need to notice. */
async function serve({ relay, log }: Started, stopping: AbortSignal): Promise<void> {
  await aborted(stopping);
  const { DRAIN_DELAY_MS, SHUTDOWN_TIMEOUT_MS } = relay.settings;
  log.info({ drainDelayMs: DRAIN_DELAY_MS, timeoutMs: SHUTDOWN_TIMEOUT_MS }, 'relay is draining');
  relay.drain();
  await setTimeout(DRAIN_DELAY_MS);
  log.info('relay is closing');
}

/** Logs an uncaught fault and exits: after it the state of the relay is unknown. */
function endOnFault(log: Logger): void {
  // An unhandled rejection arrives here too.
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ fault: faultOf(error), origin }, 'uncaught fault: the relay ends');
    exit(1, log);
  });
}

/** Exits at once, after the log has been written. */
function exit(status: number, log: Logger | undefined): void {
  if (!log) process.exit(status);
  log.flush(() => process.exit(status));
  setTimeout(EXIT_MS).then(() => process.exit(status));
}
