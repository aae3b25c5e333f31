// Two network namespaces with one wire between them, so that a test can take the far side away under a connection and
// node gets the kernel's own errors. Nothing of it can be reached from outside.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type RunningProcess, startProgram } from '@mte-relay/testing/processes';
import { toolPath } from '@mte-relay/testing/tools';

const ROOT = join(import.meta.dirname, '../../..');
/** Where `npm test` found `ip` of iproute2. Namespaces also need the right to; without it the test is skipped with the reason. */
export const IP: string | undefined = toolPath('ip');

/** Where the far side is reached: behind its end of the wire, so that it also stands for a network that it has lost. */
export const FAR_ADDRESS = '10.78.0.2';
const FAR_END = '10.77.0.2';
const NEAR_END = '10.77.0.1';

/** How the far side goes and comes back, by the error that a connection then ends with. */
const LOSSES = {
  /** It no longer replies for its address (ARP). */
  EHOSTUNREACH: {
    lose: { far: 'link set wire arp off', near: 'neigh flush dev wire' },
    mend: { far: 'link set wire arp on' },
  },
  /** Its end of the wire replies that it has no route (ICMP, RFC 792). */
  ENETUNREACH: {
    lose: { far: `addr del ${FAR_ADDRESS}/32 dev lo` },
    mend: { far: `addr add ${FAR_ADDRESS}/32 dev lo` },
  },
} as const;

export type Loss = keyof typeof LOSSES;

export type Side = 'near' | 'far';

let networks = 0;

export class Network {
  readonly #ip: string;
  readonly #names: Record<Side, string>;
  readonly #running: RunningProcess[] = [];

  private constructor(ip: string) {
    this.#ip = ip;
    networks += 1;
    const name = `mte-relay-${process.pid}-${networks}`;
    this.#names = { near: `${name}-near`, far: `${name}-far` };
  }

  /** Throws where namespaces cannot be made. */
  static make(ip: string): Network {
    const network = new Network(ip);
    try {
      network.#setUp();
      return network;
    } catch (error) {
      network.#delete();
      throw error;
    }
  }

  /** Why none can be made here, or undefined. */
  static refusal(): string | undefined {
    if (!IP) return 'ip is not installed';
    try {
      Network.make(IP).#delete();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #setUp(): void {
    const { near, far } = this.#names;
    for (const name of [near, far]) {
      this.#run('netns', 'add', name);
      this.#run('-n', name, 'link', 'set', 'lo', 'up');
    }
    this.#run('-n', near, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', far);
    this.#run('-n', near, 'addr', 'add', `${NEAR_END}/24`, 'dev', 'wire');
    this.#run('-n', far, 'addr', 'add', `${FAR_END}/24`, 'dev', 'wire');
    this.#run('-n', far, 'addr', 'add', `${FAR_ADDRESS}/32`, 'dev', 'lo');
    for (const name of [near, far]) this.#run('-n', name, 'link', 'set', 'wire', 'up');
    this.#run('-n', near, 'route', 'add', FAR_ADDRESS, 'via', FAR_END);
    // The kernel gives a connection up after 3 retransmissions, and an address after one question of 50 ms.
    this.#tune(near, 'tcp_retries2', 3);
    this.#tune(near, 'neigh/wire/mcast_solicit', 1);
    this.#tune(near, 'neigh/wire/ucast_solicit', 1);
    this.#tune(near, 'neigh/wire/retrans_time_ms', 50);
    this.#tune(far, 'ip_forward', 1);
    this.#tune(far, 'icmp_ratelimit', 0);
  }

  /** Starts a script in a side's namespace. @param script path from the project's root. */
  start(side: Side, script: string, args: string[], environment: Record<string, string> = {}): RunningProcess {
    const command = ['netns', 'exec', this.#names[side], process.execPath, join(ROOT, script), ...args];
    const running = startProgram(this.#ip, command, environment);
    this.#running.push(running);
    return running;
  }

  /** Takes the far side away; what runs there goes on. */
  lose(loss: Loss): void {
    this.#change(LOSSES[loss].lose);
  }

  mend(loss: Loss): void {
    this.#change(LOSSES[loss].mend);
  }

  /** Ends what runs in it. */
  async remove(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop('SIGKILL')));
    this.#delete();
  }

  #delete(): void {
    for (const name of Object.values(this.#names)) spawnSync(this.#ip, ['netns', 'del', name]);
  }

  #change(commands: Partial<Record<Side, string>>): void {
    for (const [side, command] of Object.entries(commands)) {
      this.#run('-n', this.#names[side as Side], ...command.split(' '));
    }
  }

  #tune(name: string, setting: string, value: number): void {
    this.#run('netns', 'exec', name, 'sh', '-c', `echo ${value} > /proc/sys/net/ipv4/${setting}`);
  }

  #run(...args: string[]): void {
    const { status, error, stderr } = spawnSync(this.#ip, args, { encoding: 'utf8', timeout: 10_000 });
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  }
}
