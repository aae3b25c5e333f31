// A Deployment of local processes: the required number of replicas, and rolling updates in the order of maxSurge 1 and
// maxUnavailable 0: a new one is ready, an old one gets SIGTERM, the next.
import { setTimeout as sleep } from 'node:timers/promises';
import { readiness } from '@mte-relay/testing/readiness';
import { until } from '@mte-relay/testing/until';
import type { ContainerProcess, Content } from './content.ts';
import type { Slot } from './haproxy.ts';

/** The fields of a Deployment that matter here. */
export interface Rules {
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly terminationGracePeriodSeconds: number;
}

/** The start parameters of every replica of one revision. */
export interface Revision {
  readonly environment: Readonly<Record<string, string>>;
  /** Host folder by path in the container. */
  readonly folders: Readonly<Record<string, string>>;
}

/** One replica, present or past. */
export interface Replica {
  readonly pod: string;
  readonly slot: Slot;
  readonly process: ContainerProcess;
  state: 'live' | 'ending' | 'ended';
}

export class Replicas {
  readonly #content: Content;
  readonly #rules: Rules;
  readonly #slots: readonly Slot[];
  readonly #onChange: (replicas: readonly Replica[]) => void;
  readonly #replicas: Replica[] = [];
  readonly #endings: Promise<void>[] = [];
  #revisions = 0;

  /**
   * @param slots one for each replica, past ones included.
   * @param onChange gets every replica that may still be scraped, at each change.
   */
  constructor(
    content: Content,
    rules: Rules,
    slots: readonly Slot[],
    onChange: (replicas: readonly Replica[]) => void,
  ) {
    this.#content = content;
    this.#rules = rules;
    this.#slots = slots;
    this.#onChange = onChange;
  }

  /** Replaces every replica, or starts the first ones. Resolves when all new ones are ready; old ones may still be ending. */
  async rollOut(revision: Revision): Promise<void> {
    this.#revisions += 1;
    const old = this.#replicas.filter(({ state }) => state === 'live');
    for (let i = 0; i < this.#rules.replicas; i += 1) {
      await this.#start(revision, `mte-relay-${this.#revisions}-${i}`);
      const leaving = old[i];
      if (!leaving) continue;
      await sleep(this.#rules.minReadySeconds * 1000);
      this.#endings.push(this.#end(leaving));
    }
  }

  /** Resolves when every replica that got SIGTERM has exited. Rejects when one did not exit with 0. */
  async ended(): Promise<void> {
    await Promise.all(this.#endings);
  }

  kill(): void {
    for (const { process: relay } of this.#replicas) relay.kill();
  }

  async #start({ environment, folders }: Revision, pod: string): Promise<void> {
    // A slot of its own: Prometheus would count another replica's response under the ports of a past one as its own.
    const slot = this.#slots[this.#replicas.length];
    if (!slot) throw new Error(`no slot for ${pod}`);
    const ports = { PORT: String(slot.port), ADMIN_PORT: String(slot.adminPort) };
    const relay = this.#content.run(['start'], { ...environment, ...ports }, folders);
    this.#replicas.push({ pod, slot, process: relay, state: 'live' });
    this.#changed();
    const ended = (): boolean => relay.child.exitCode !== null;
    await until(async () => ended() || (await readiness(slot)) === 200, 30_000);
    if (ended()) throw new Error(`${pod} did not start:\n${relay.output()}`);
  }

  /** As the kubelet ends a pod: SIGTERM to the container's first process, and SIGKILL after the grace period. */
  async #end(replica: Replica): Promise<void> {
    const { pod, process: relay } = replica;
    replica.state = 'ending';
    process.kill(relay.pid(), 'SIGTERM');
    const timer = setTimeout(() => relay.kill(), this.#rules.terminationGracePeriodSeconds * 1000);
    const code = await relay.exited;
    clearTimeout(timer);
    replica.state = 'ended';
    this.#changed();
    if (code !== 0) throw new Error(`${pod} ended with ${code ?? 'a signal'}:\n${relay.output()}`);
  }

  #changed(): void {
    this.#onChange(this.#replicas.filter(({ state }) => state !== 'ended'));
  }
}
