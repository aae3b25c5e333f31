// The programs that `npm test -- FILE` installs for a file, and that the list of programs is whole.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IMAGE_TOOLS, TOOLS, type ToolName } from '@mte-relay/testing/tools';
import { expect, test } from 'vitest';
import { needsSidePackages, testFiles, toolsOf } from '../../scripts/test/needs.ts';

const ROOT = join(import.meta.dirname, '../..');
const TEST_TOOLS = (Object.keys(TOOLS) as ToolName[]).filter((name) => !IMAGE_TOOLS.includes(name));

test('a folder, a part of a name and a project choose the files that the runner would run', async () => {
  const inFolder = await testFiles(['packages/protocol']);
  expect(inFolder.length).toBeGreaterThan(10);
  expect(inFolder.filter((file) => !/^packages\/protocol\/test\/[\w-]+\.test\.ts$/.test(file))).toEqual([]);
  expect(await testFiles(['needs'])).toEqual(['test/scripts/needs.test.ts']);
  expect(await testFiles(['test/scripts/needs.test.ts', '-t', 'expo'])).toEqual(['test/scripts/needs.test.ts']);
  expect(await testFiles(['--project=expo'])).toEqual(['test/expo/expo-app.test.ts']);
  expect(await testFiles(['of-no-test'])).toEqual([]);
});

test.each<readonly [filter: string, tools: readonly ToolName[]]>([
  ['packages/protocol', []],
  ['redis-store', ['redis-server']],
  ['redis-connection', ['redis-server', 'openssl']],
  ['doctor-middlebox', ['nginx']],
  ['demo-in-chromium', ['chromium', 'tcpdump']], // by its support
  ['deploy/rollout', ['redis-server', 'kubectl', 'prometheus', 'haproxy']], // by the command that it runs
])('%s needs its own programs and no other', async (filter, tools) => {
  const files = await testFiles([filter]);
  expect(files.length).toBeGreaterThan(0);
  expect(await toolsOf(files)).toEqual(tools);
});

test('all tests together need every program of the list', async () => {
  expect(await toolsOf(await testFiles(['--project=!expo']))).toEqual(TEST_TOOLS);
});

test.each(['deploy/rehearse/rollout.ts', 'deploy/grafana/picture.ts'])(
  '%s requires what it starts',
  async (command) => {
    const source = readFileSync(join(ROOT, command), 'utf8');
    const required = /requireTools\(\[([^\]]*)\]\)/.exec(source)?.[1]?.match(/[\w-]+/g) ?? [];
    expect(required.toSorted()).toEqual((await toolsOf([command])).toSorted());
  },
);

test('the packages of the runtimes are installed for tests that use them alone', async () => {
  expect(await needsSidePackages(await testFiles(['test/runtimes/bun']))).toBe(true);
  expect(await needsSidePackages(await testFiles(['cookie-table']))).toBe(true); // by its support
  expect(await needsSidePackages(await testFiles(['--project=unit']))).toBe(false);
});
