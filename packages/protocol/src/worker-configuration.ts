// The first statement of a service worker's script: it fixes relay, pins and routes. The relay and the command line write
// it, and the worker reads it; nothing that a page passes changes them.

/** What a worker's script is made for. */
export interface WorkerConfiguration {
  /** The relay's origin, `https://host[:port]`; `self` for the origin that serves the script. */
  readonly relay: string;
  /** Pins of the relay. Without any the worker trusts the first key that it receives. */
  readonly pins: readonly string[];
  /** Paths, and absolute URLs; a `*` at the end matches any rest. */
  readonly routes: readonly string[];
}

/** Global of a worker that holds its {@link WorkerConfiguration} until the script has read it. */
export const WORKER_CONFIGURATION = 'mteRelayWorker';

/** The statement to put in front of the script. */
export function workerConfigurationLine({ relay, pins, routes }: WorkerConfiguration): string {
  return `self.${WORKER_CONFIGURATION}=${JSON.stringify({ relay, pins, routes })};\n`;
}
