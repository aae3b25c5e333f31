// The reading of SPEC §3.4 and §9.4 in Python agrees with the vectors.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from '@mte-relay/testing/tools';
import { expect, onTestFinished, test } from 'vitest';

const PYTHON = toolPath('python3');
/** A Python from elsewhere may lack the module. */
const canRun = PYTHON !== undefined && spawnSync(PYTHON, ['-c', 'import cryptography']).status === 0;

test.skipIf(!canRun)('agrees with every value', () => {
  expect(run(import.meta.dirname).stdout).toMatch(/^[1-9]\d\d values agree\n$/);
});

test.skipIf(!canRun).each([
  ['cookies', 'recordId'],
  ['cookies', 'record'],
  ['cookies', 'jar'],
  ['pairing', 'parameterBytes'],
])('does not agree with %s.json when the last character of a %s changes', (file, member) => {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-python-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const part of ['python', 'vectors'])
    cpSync(join(import.meta.dirname, part), join(folder, part), { recursive: true });
  const path = join(folder, 'vectors', `${file}.json`);
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(new RegExp(`("${member}": "[^"]*)([^"])"`), (_all, before, last) => {
    return `${before}${last === '0' ? '1' : '0'}"`;
  });
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
  const { status, stderr } = run(folder);
  expect(status).toBe(1);
  expect(stderr).toMatch(/expected .*, saw |accepted/);
});

function run(folder: string) {
  return spawnSync(PYTHON as string, [join(folder, 'python/cookies.py')], { encoding: 'utf8' });
}
