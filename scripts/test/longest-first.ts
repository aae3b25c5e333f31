// The order of `npm test`: the files that take longest begin, so that none of them is left over at the end, alone on one
// core. The rest follows as the runner has it. A clean checkout knows no times yet, so they are named here.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const ROOT = join(import.meta.dirname, '../..');
/** Longest first, without `.test.ts`. */
const LONGEST = [
  'test/deploy/rollout',
  'test/e2e/floods',
  'test/e2e/redis-outages',
  'test/reliability/soak/soak',
  'test/reliability/chaos/chaos',
  'test/e2e/cookie-table',
  'test/e2e/dashboard-and-rules',
  'packages/cli/test/doctor-faults',
  'packages/server/test/sessions/redis-topologies',
  'test/model/spin',
  'test/e2e/network-lost-under-a-connection',
  'packages/server/test/sessions/redis-cluster-node-away',
  'test/e2e/demo-in-chromium',
  'packages/cli/test/doctor-middlebox',
  'test/e2e/many-calls-in-chromium',
  'packages/client/test/waiting-calls',
  'packages/client/test/unread-responses',
  'test/docs/guides',
  'test/e2e/service-worker-app',
  'test/runtimes/service-worker-in-firefox',
  'test/e2e/service-worker-attacks',
  'test/e2e/service-worker-ways',
  'test/runtimes/service-worker-ways-in-firefox',
  'test/runtimes/service-worker-side-by-side',
  'test/runtimes/service-worker-attacks-in-firefox',
  'packages/cli/test/egress-lifecycle',
  'test/runtimes/react-native-app',
  'packages/server/test/observe/traces',
  'test/fuzz/fuzz',
  'test/e2e/drain-loses-nothing',
].map((name) => join(ROOT, `${name}.test.ts`));

export class LongestFirst extends BaseSequencer {
  /** @throws Error when a file that is named here does not exist. */
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of LONGEST)
      if (!existsSync(path)) throw new Error(`scripts/test/longest-first.ts: ${path} is not a file`);
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.indexOf(moduleId);
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
