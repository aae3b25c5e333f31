// `npm run rollout` in short: while CLIENT_ID_SECRET is rotated by three rolling updates, under load, no exchange fails and
// none runs twice; clients, upstream and Prometheus count the same. The content is the production closure.
import { type ToolName, toolPath } from '@mte-relay/testing/tools';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Content, closureContent } from '../../deploy/rehearse/content.ts';
import { rehearse } from '../../deploy/rehearse/rehearsal.ts';

const PROGRAMS: readonly ToolName[] = ['redis-server', 'haproxy', 'prometheus', 'kubectl'];

const TIMEOUT_MS = 180_000;

let content: Content;
beforeAll(() => {
  content = closureContent();
});
afterAll(() => content.release());

test.runIf(PROGRAMS.every(toolPath))(
  'rolling updates and the rotation of a secret lose nothing and run nothing twice',
  async () => {
    const { steps, succeeded, failures, ranTwice, neverRan, ranByUpstream, scraped } = await rehearse({
      content,
      overlay: 'overlays/trial',
      steps: ['CLIENT_ID_SECRET'],
      clients: 2,
      workersEach: 3,
      calmMs: 1_000,
      shorter: { replicas: 2, minReadySeconds: 0.5, DRAIN_DELAY_MS: '3000' },
      say: () => {},
    });
    expect(failures).toEqual([]);
    expect([ranTwice, neverRan]).toEqual([[], []]);
    expect(steps.map(({ name }) => name).slice(1, -1)).toEqual([
      'CLIENT_ID_SECRET=old,new',
      'CLIENT_ID_SECRET=new,old',
      'CLIENT_ID_SECRET=new',
    ]);
    for (const step of steps.slice(1)) expect(step.succeeded, step.name).toBeGreaterThan(0);
    expect(succeeded).toBeGreaterThan(100);
    expect({ ranByUpstream, scraped: scraped.exchanges }).toEqual({ ranByUpstream: succeeded, scraped: succeeded });
    expect(scraped).toMatchObject({ pods: 8, replaysRefused: 0 });
  },
  TIMEOUT_MS,
);
