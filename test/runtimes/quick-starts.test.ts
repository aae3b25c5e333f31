// The quick starts of docs/quick-starts.md for Deno and Bun, in both, and for React Native, in its engine.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Guide, GuideStage, guidesIn, promised } from '../docs/support/guides.ts';
import { quickStartInHermes } from './support/hermes.ts';
import { INSTALLED } from './support/installed.ts';

const BUNDLE_AND_RUN_TIMEOUT_MS = 120_000;

let stage: GuideStage;

beforeAll(async () => {
  stage = await GuideStage.open();
});

afterAll(() => stage?.close());

test.each([
  ['deno', ['run', '--quiet', '--no-lock', '--node-modules-dir=manual', '--allow-all']],
  ['bun', ['run']],
])('the quick start runs in %s and prints what it states', async (command, args) => {
  const guide = guidesIn('quick-starts.md').find(({ where }) => where === 'deno-and-bun') as Guide;
  expect(promised(guide).length).toBeGreaterThan(0);
  expect(await stage.byCommand(guide, join(INSTALLED, '.bin', command), args)).toEqual(promised(guide));
});

test('the quick start runs in React Native and prints what it states', {
  timeout: BUNDLE_AND_RUN_TIMEOUT_MS,
}, async () => {
  const guide = guidesIn('quick-starts.md').find(({ where }) => where === 'react-native') as Guide;
  expect(promised(guide).length).toBeGreaterThan(0);
  expect(await quickStartInHermes(guide)).toEqual(promised(guide));
});
