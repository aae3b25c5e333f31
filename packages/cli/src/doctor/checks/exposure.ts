// The operators' port must not be reachable from outside.
import { request } from 'node:http';
import { type Examination, isLoopback } from '../examination.ts';
import { jsonOf } from '../explain.ts';
import { bodyOf, responseOf } from '../hop.ts';

const TIMEOUT_MS = 3_000;

/** Checks that ADMIN_PORT of the same host is closed. */
export async function checkAdminPort({ hop, options, report }: Examination): Promise<void> {
  const { adminPort, adminPortGiven } = options;
  if (isLoopback(hop.host) && !adminPortGiven) return report.skip('admin port', 'this machine is not outside');
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const req = request({ hostname: hop.host, port: adminPort, path: '/livez', agent: false, signal });
    const document = jsonOf(await bodyOf(await responseOf(req.end())));
    if (document?.['alive'] !== true) return report.ok('admin port', `the server on ${adminPort} is not the relay`);
    report.fail(
      'admin port',
      `port ${adminPort} shows /readyz and /metrics to everybody`,
      'take it out of the public service and close it by NetworkPolicy or NSG',
    );
  } catch {
    report.ok('admin port', `port ${adminPort} is closed to the outside`);
  }
}
