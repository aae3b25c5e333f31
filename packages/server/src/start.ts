// The command `start`: from settings to a relay that listens, and to its end. Signals are heard from the first line: the
// process 1 of a container is not ended by one that it does not listen to, however long a module of the operator's takes.
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

/** What a process that starts has opened so far. */
interface Opened {
  log: Logger | undefined;
  /** Closed from the last one to the first. */
  readonly resources: AsyncDisposableStack;
}

/** A relay that listens. */
interface Started {
  readonly relay: Relay;
  readonly log: Logger;
}

/**
 * Runs a relay until the process is asked to end.
 * @returns the exit status.
 * @throws ConfigError, or what else keeps it from listening.
 */
export async function start(from: Environment): Promise<number> {
  const opened: Opened = { log: undefined, resources: new AsyncDisposableStack() };
  const asked = hearSignals(opened);
  let started: Started | undefined;
  try {
    started = await Promise.race([startRelay(from, opened, asked), whenAborted(asked)]);
    if (started) await serve(started, asked);
    else opened.log?.info('asked to end before it listens');
  } finally {
    await opened.resources.disposeAsync();
  }
  opened.log?.info('relay has closed');
  // The step that was under way must not be followed by the next one.
  if (!started) exit(0, opened.log);
  return 0;
}

/** Aborts with the first signal. A second one means at once: the process ends as if it had not been caught. */
function hearSignals(opened: Opened): AbortSignal {
  const asked = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (asked.signal.aborted) {
        opened.log?.warn({ signal }, 'asked again: ending at once');
        return exit(128 + constants.signals[signal], opened.log);
      }
      asked.abort();
    });
  }
  return asked.signal;
}

async function whenAborted(asked: AbortSignal): Promise<undefined> {
  if (!asked.aborted) await once(asked, 'abort');
}

/** Step by step; what is open is noted at once, and nothing more is opened once the process is asked to end. */
async function startRelay(from: Environment, opened: Opened, asked: AbortSignal): Promise<Started> {
  const { environment, settings, modules, warnings } = await readConfiguration(from);
  asked.throwIfAborted();
  const log = createLogger(settings.LOG_LEVEL, settings.LOG_MODULE);
  opened.log = log;
  endOnFault(log);
  for (const warning of warnings) log.warn(warning);
  const traces = await startOpenTelemetry(settings, log);
  if (traces) opened.resources.defer(() => traces.shutdown());
  asked.throwIfAborted();
  const sessions = await modules.sessions?.(settings, nodeSuite());
  asked.throwIfAborted();
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
  asked.throwIfAborted();
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

/** Until it is asked to end, and for as long as load balancers need to notice. */
async function serve({ relay, log }: Started, asked: AbortSignal): Promise<void> {
  await whenAborted(asked);
  const { DRAIN_DELAY_MS, SHUTDOWN_TIMEOUT_MS } = relay.settings;
  log.info({ drainDelayMs: DRAIN_DELAY_MS, timeoutMs: SHUTDOWN_TIMEOUT_MS }, 'relay is draining');
  relay.drain();
  await setTimeout(DRAIN_DELAY_MS);
  log.info('relay is closing');
}

/** After a fault that nothing has caught nobody knows what state the relay is in: it says so and ends. */
function endOnFault(log: Logger): void {
  // Also what becomes of an unhandled rejection.
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ fault: faultOf(error), origin }, 'uncaught fault: the relay ends');
    exit(1, log);
  });
}

/** Ends the process, whatever goes on in it. What is logged is written beside it, and gets a moment. */
function exit(status: number, log: Logger | undefined): void {
  if (!log) process.exit(status);
  log.flush(() => process.exit(status));
  setTimeout(EXIT_MS).then(() => process.exit(status));
}
