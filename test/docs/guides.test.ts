// docs/quick-starts.md and docs/migrating.md: every snippet runs in its place, prints what it states, and is short.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM } from '@mte-relay/testing/chromium';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Guide, GuideStage, guidesIn, promised } from './support/guides.ts';

const QUICK_START_LINES_MAX = 20;

let stage: GuideStage;

beforeAll(async () => {
  stage = await GuideStage.open();
});

afterAll(() => stage?.close());

function run(guide: Guide): Promise<string[]> {
  if (guide.where === 'browser') return stage.inBrowser(guide, CHROMIUM as string, promised(guide).length);
  return guide.where === 'shell' ? stage.inShell(guide) : stage.inNode(guide);
}

function isHere({ where }: Guide): boolean {
  return ['node', 'shell'].includes(where) || (where === 'browser' && CHROMIUM !== undefined);
}

describe.each(['quick-starts.md', 'migrating.md'])('docs/%s', (document) => {
  const guides = guidesIn(document).filter(({ where }) => ['node', 'shell', 'browser'].includes(where));

  for (const guide of guides) {
    test.skipIf(!isHere(guide))(`${guide.title} (${guide.where})`, async () => {
      expect(promised(guide).length).toBeGreaterThan(0);
      expect(await run(guide)).toEqual(promised(guide));
    });
  }

  test('there is something to run', () => {
    expect(guides.length).toBeGreaterThan(document === 'quick-starts.md' ? 6 : 2);
  });
});

test('a quick start has at most 20 lines', () => {
  for (const { title, code } of guidesIn('quick-starts.md')) {
    expect(code.trim().split('\n').length, title).toBeLessThanOrEqual(QUICK_START_LINES_MAX);
  }
});

test('both sides of each comparison in docs/migrating.md are there', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/migrating.md'), 'utf8');
  for (const variable of [
    'UPSTREAM',
    'CORS_ORIGINS',
    'CLIENT_ID_SECRET',
    'REDIS_URL',
    'PASS_THROUGH_ROUTES',
    'MTE_ROUTES',
  ])
    expect(text).toContain(`\`${variable}\``);
});
