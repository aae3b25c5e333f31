// A real load balancer in front of the replicas. HAProxy probes the readiness of each, as Kubernetes and an Application
// Gateway do, and notices a pod's end only by that: a moment after the pod got SIGTERM.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from '@mte-relay/testing/processes';
import { toolPath } from '@mte-relay/testing/tools';

/** The ports of one replica. */
export interface Slot {
  readonly port: number;
  readonly adminPort: number;
}

export interface RunningHaproxy {
  stop(): Promise<void>;
}

/** @param port that clients connect to. */
export function startHaproxy(port: number, slots: readonly Slot[]): RunningHaproxy {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-haproxy-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(port, slots));
  // In the foreground; it prints changes of readiness, which the rollout knows.
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
  # The timeout of the manifests' readiness probe: a busy replica is not an unready one.
  timeout check 2s
  # A refused connection carried no request, so another replica may get it.
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
