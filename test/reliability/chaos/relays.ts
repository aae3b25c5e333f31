// The relays of a chaos campaign: processes on ports of their own, which are killed, paused and started again.
import { freePort } from '@mte-relay/testing/free-port';
import { printed } from '@mte-relay/testing/processes';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { requiredSettings } from '@mte-relay/testing/settings';

/** So that no limit of one client is what a campaign meets. */
const ROOM = {
  PAIRINGS_PER_MINUTE: '1000000',
  PAIRINGS_BURST: '1000000',
  DRAIN_DELAY_MS: '0',
  SHUTDOWN_TIMEOUT_MS: '2000',
};

export class Relays {
  readonly ports: readonly number[];
  readonly #environments: readonly Readonly<Record<string, string>>[];
  readonly #running: RelayProcess[] = [];

  private constructor(ports: readonly number[], environments: readonly Readonly<Record<string, string>>[]) {
    this.ports = ports;
    this.#environments = environments;
  }

  /** Starts one relay for each environment, in front of this upstream. */
  static async start(upstreamUrl: string, environments: readonly Readonly<Record<string, string>>[]): Promise<Relays> {
    const ports: number[] = [];
    for (const _ of environments) ports.push(await freePort());
    const all = environments.map((environment) => ({ ...requiredSettings(upstreamUrl), ...ROOM, ...environment }));
    const relays = new Relays(ports, all);
    for (const index of ports.keys()) await relays.start(index);
    return relays;
  }

  get pin(): string {
    return (this.#running[0] as RelayProcess).pin;
  }

  async start(index: number): Promise<void> {
    const environment = { ...this.#environments[index], PORT: String(this.ports[index]) };
    const relay = await startRelay(environment);
    if ('REDIS_URL' in environment) await printed(relay, /"ready":true/, 60_000);
    this.#running[index] = relay;
  }

  /** Ends it as a crash does. */
  async kill(index: number): Promise<void> {
    await (this.#running[index] as RelayProcess).stop('SIGKILL');
  }

  /** Ends it as an update does. */
  async end(index: number): Promise<void> {
    await (this.#running[index] as RelayProcess).stop('SIGTERM');
  }

  /** Stops its process where it is, or lets it go on. */
  freeze(index: number, frozen: boolean): void {
    (this.#running[index] as RelayProcess).child.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((relay) => relay.stop('SIGKILL')));
  }
}
