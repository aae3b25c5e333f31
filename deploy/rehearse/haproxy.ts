// A real load balancer in front of the replicas. HAProxy asks each for its readiness, as Kubernetes and an Application
// Gateway do, and learns of a pod's end only by that: a moment after the pod was told.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from '@mte-relay/testing/processes';
import { toolPath } from '@mte-relay/testing/tools';

/** Where one replica is. */
export interface Slot {
  readonly port: number;
  readonly adminPort: number;
}

export interface RunningHaproxy {
  stop(): Promise<void>;
}

/** @param port the one that clients speak to */
export function startHaproxy(port: number, slots: readonly Slot[]): RunningHaproxy {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-haproxy-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(port, slots));
  // In the foreground; what it prints are changes of readiness, which the rollout knows.
  const program = startProgram(toolPath('haproxy') as string, ['-db', '-f', file]);
  return {
    async stop() {
      await program.stop('SIGKILL');
      rmSync(folder, { recursive: true });
    },
  };
}

function configuration(port: number, slots: readonly Slot[]): string {
  const servers = slots.map(
    (slot, i) => `  server replica${i} 127.0.0.1:${slot.port} check port ${slot.adminPort} inter 250ms rise 1 fall 2`,
  );
  return `
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 75s
  # As long as the manifests' readiness probe waits: a busy replica is not an unready one.
  timeout check 2s
  # A connection that was refused carried no request, so another replica may have it.
  retries 3
  option redispatch
frontend clients
  bind 127.0.0.1:${port}
  default_backend relays
backend relays
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
${servers.join('\n')}
`;
}
