// The command mte-relay-server as a real process.
import { Backend, type SeenRequest } from './backend.ts';
import { type Ended, printed, type RunningProcess, runScript, startScript } from './processes.ts';
import { type Responder, urlOf } from './servers.ts';
import { type Environment, requiredSettings } from './settings.ts';
import { endsWithTest } from './test-end.ts';

const COMMAND = 'packages/server/bin/mte-relay-server.js';

export type LogLine = Readonly<Record<string, unknown>>;

/** One that may not listen. */
export interface SpawnedRelay extends RunningProcess {
  /** Its log so far, parsed. */
  lines(): LogLine[];
}

/** One that listens. */
export interface RelayProcess extends SpawnedRelay {
  readonly port: number;
  readonly adminPort: number;
  readonly url: string;
  readonly pin: string;
}

/** Runs the command to its end, with exactly this environment. */
export function runRelayCommand(args: readonly string[], environment: Environment = {}): Promise<Ended> {
  return runScript(COMMAND, args, environment);
}

/** Starts a relay on any ports, unless they are set, without waiting until it listens. */
export function spawnRelay(environment: Environment, args: readonly string[] = []): SpawnedRelay {
  const running = startScript(COMMAND, ['start', ...args], { PORT: '0', ADMIN_PORT: '0', ...environment });
  const lines = (): LogLine[] =>
    running
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  return { ...running, lines };
}

/** Starts a relay and waits until it listens; the caller stops it. @throws Error when it does not listen */
export async function startRelay(environment: Environment, args: readonly string[] = []): Promise<RelayProcess> {
  const spawned = spawnRelay(environment, args);
  const [line] = await printed(spawned, /^\{.*"relay is listening"\}$/m);
  const { port, adminPort, pin } = JSON.parse(line) as Pick<RelayProcess, 'port' | 'adminPort' | 'pin'>;
  return { ...spawned, port, adminPort, pin, url: urlOf(port) };
}

/** A relay in front of this upstream; it ends with the test. */
export async function relayProcessTo(upstreamUrl: string, environment: Environment = {}): Promise<RelayProcess> {
  return endsWithTest(await startRelay({ ...requiredSettings(upstreamUrl), ...environment }));
}

/** A relay in front of an upstream that responds so; both end with the test. */
export async function relayBefore(
  respond: Responder,
  environment: Environment = {},
): Promise<RelayProcess & { readonly seen: readonly SeenRequest[] }> {
  const { url, seen } = endsWithTest(await new Backend(respond).start());
  return { ...(await relayProcessTo(url, environment)), seen };
}
