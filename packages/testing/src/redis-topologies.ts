// Redis as it stands in production, from real processes: a master that sentinels watch, a cluster.
import { freePort } from './free-port.ts';
import { QUICK_REPLICATION, RedisServer, WITHOUT_PERSISTENCE } from './redis.ts';
import { until } from './until.ts';

const MASTER_NAME = 'main';
const DOWN_AFTER_MS = 1_000;
const SLOTS = 16_384;

export interface SentinelGroup {
  readonly url: string;
  readonly servers: readonly RedisServer[];
  /** The server that the sentinels name at present. */
  master(): Promise<RedisServer>;
  remove(): Promise<void>;
}

/** A master with two replicas and three sentinels. */
export async function startSentinelGroup(...args: string[]): Promise<SentinelGroup> {
  const servers: RedisServer[] = [];
  for (let i = 0; i < 3; i += 1) {
    const replicaOf = i === 0 ? [] : ['--replicaof', '127.0.0.1', String((servers[0] as RedisServer).port)];
    const all = [...WITHOUT_PERSISTENCE, ...QUICK_REPLICATION, ...replicaOf, ...args];
    servers.push(await new RedisServer(await freePort(), all).start());
  }
  const [first] = servers as [RedisServer];
  await until(async () => String(await first.command('INFO', 'replication')).includes('connected_slaves:2'));
  const sentinels: RedisServer[] = [];
  for (let i = 0; i < 3; i += 1) {
    const sentinelConfig = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.port} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${MASTER_NAME} 4000`,
    ].join('\n');
    sentinels.push(await new RedisServer(await freePort(), [], { sentinelConfig }).start());
  }
  const [watcher] = sentinels as [RedisServer];
  await until(async () => {
    const facts = (await watcher.command('SENTINEL', 'MASTER', MASTER_NAME)) as string[];
    const fact = (name: string): string | undefined => facts[facts.indexOf(name) + 1];
    return fact('num-slaves') === '2' && fact('num-other-sentinels') === '2';
  }, 30_000);
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
    servers,
    async master() {
      const [, port] = (await watcher.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
      return servers.find((server) => String(server.port) === port) as RedisServer;
    },
    async remove() {
      await Promise.all([...sentinels, ...servers].map((server) => server.remove()));
    },
  };
}

export interface Cluster {
  readonly url: string;
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
  /** Resolves when every slot is served again. */
  whole(): Promise<void>;
  remove(): Promise<void>;
}

/** Three masters, each with so many replicas. */
export async function startCluster(replicasEach = 0, ...args: string[]): Promise<Cluster> {
  const nodes: RedisServer[] = [];
  const busPorts: number[] = [];
  for (let i = 0; i < 3 * (1 + replicasEach); i += 1) {
    const busPort = await freePort();
    const mode = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '1500'];
    busPorts.push(busPort);
    const all = [...WITHOUT_PERSISTENCE, ...QUICK_REPLICATION, ...mode, ...args];
    nodes.push(await new RedisServer(await freePort(), all).start());
  }
  const masters = nodes.slice(0, 3);
  const replicas = nodes.slice(3);
  const [first] = masters as [RedisServer];
  for (const [i, node] of masters.entries()) {
    const [from, to] = [Math.floor((SLOTS * i) / 3), Math.floor((SLOTS * (i + 1)) / 3) - 1];
    await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
  }
  for (const [i, node] of nodes.entries()) {
    await node.command('CLUSTER', 'MEET', '127.0.0.1', String(first.port), String(busPorts[0]));
    if (i > 0) await first.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(busPorts[i]));
  }
  for (const node of nodes) await until(async () => (await knownNodes(node)) === nodes.length);
  for (const [i, node] of replicas.entries()) {
    await node.command(
      'CLUSTER',
      'REPLICATE',
      String(await (masters[i % 3] as RedisServer).command('CLUSTER', 'MYID')),
    );
  }
  const whole = async (): Promise<void> => {
    for (const node of nodes) {
      await until(async () => {
        const info = await node.command('CLUSTER', 'INFO').catch(() => 'cluster_state:ok'); // one that does not return
        return String(info).includes('cluster_state:ok');
      }, 20_000);
    }
  };
  await whole();
  for (const replica of replicas) {
    await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'));
  }
  return {
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masters,
    replicas,
    whole,
    async remove() {
      await Promise.all(nodes.map((node) => node.remove()));
    },
  };
}

async function knownNodes(node: RedisServer): Promise<number> {
  return Number(/cluster_known_nodes:(\d+)/.exec(String(await node.command('CLUSTER', 'INFO')))?.[1]);
}
