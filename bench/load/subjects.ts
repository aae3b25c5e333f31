// What is compared. Each subject is a program of its own on the subject core, in front of the one upstream on the load
// core; `direct` is that upstream itself, and so the ceiling of what the load core can offer.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '@mte-relay/testing/free-port';
import { type Load, sealedLoad, wrkLoad } from './load.ts';
import { startNginxProxy, startUpstream } from './nginx.ts';
import { listening, type Started, start } from './processes.ts';
import { PATH } from './workload.ts';

export const SUBJECT_NAMES = ['direct', 'nginx', 'fastify', 'sealed', 'passthrough'] as const;
export type SubjectName = (typeof SUBJECT_NAMES)[number];

export const SUBJECT_TITLES: Readonly<Record<SubjectName, string>> = {
  direct: 'direct to the upstream',
  nginx: 'nginx proxy_pass',
  fastify: '@fastify/http-proxy, no crypto',
  sealed: 'mte-relay-server, sealed',
  passthrough: 'mte-relay-server, pass-through',
};

export interface Subject {
  readonly name: SubjectName;
  readonly process: Started;
  readonly port: number;
  readonly load: Load;
  /** Compiles itself while it runs, so that early figures mean nothing. */
  readonly isNode: boolean;
}

export interface Cores {
  readonly subject: number;
  readonly load: number;
}

const FASTIFY_SCRIPT = join(import.meta.dirname, 'fastify-proxy.ts');
const RELAY_SCRIPT = join(import.meta.dirname, '../../packages/server/bin/mte-relay-server.js');

/** Starts the upstream and the named subjects; all of them listen when this resolves. */
export async function startSubjects(
  names: readonly SubjectName[],
  cores: Cores,
  directory: string,
): Promise<{ upstream: Started; subjects: Subject[] }> {
  const upstreamPort = await freePort();
  const upstream = startUpstream(cores.load, directory, upstreamPort);
  await listening(upstream, upstreamPort);
  const plain = wrkLoad(cores.load, directory);
  const subjects: Subject[] = [];
  for (const name of names) {
    if (name === 'direct') {
      subjects.push({ name, process: upstream, port: upstreamPort, load: plain, isNode: false });
      continue;
    }
    const port = await freePort();
    const started = await startSubject(name, cores.subject, directory, port, upstreamPort);
    await listening(started, port);
    const load = name === 'sealed' ? sealedLoad(cores.load) : plain;
    subjects.push({ name, process: started, port, load, isNode: name !== 'nginx' });
  }
  return { upstream, subjects };
}

async function startSubject(
  name: Exclude<SubjectName, 'direct'>,
  core: number,
  directory: string,
  port: number,
  upstreamPort: number,
): Promise<Started> {
  if (name === 'nginx') return startNginxProxy(core, directory, port, upstreamPort);
  const common = { NODE_ENV: 'production', PORT: String(port), UPSTREAM: `http://127.0.0.1:${upstreamPort}` };
  if (name === 'fastify') return start(name, [process.execPath, FASTIFY_SCRIPT], { core, env: common });
  // The sealed relay and the passing one are two processes: sharing one would warm the second by the first.
  return start(name, [process.execPath, RELAY_SCRIPT, 'start'], {
    core,
    env: {
      ...common,
      ADMIN_PORT: String(await freePort()),
      CLIENT_ID_SECRET: randomBytes(32).toString('hex'),
      CORS_ORIGINS: 'http://localhost',
      LOG_LEVEL: 'off',
      ...(name === 'passthrough' ? { PASS_THROUGH_ROUTES: PATH } : {}),
    },
  });
}
