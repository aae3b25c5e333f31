// The reading of the SPEC in Python agrees with every file of vectors, and would not if one of their values changed.
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
  const { stdout, stderr } = run(import.meta.dirname);
  expect(stderr).toBe('');
  expect(Number(/^(\d+) values agree\n$/.exec(stdout)?.[1])).toBeGreaterThan(2900);
});

/** The files that the part "states" reads. */
const STATES = ['replay-window', 'relay-states', 'client-calls', 'client-sessions'];

/** The last character of the first such member changes; of a word, the word. */
const CHANGES: [file: string, pattern: RegExp, instead?: string][] = [
  ['identity', /("seed": "[^"]*)[^"](")/],
  ['identity', /("fieldValue": "[^"]*)[^"](")/],
  ['pairing', /("parameterBytes": "[^"]*)[^"](")/],
  ['pairing', /("exporter": "[^"]*)[^"](")/],
  ['pairing-refused', /("expect": ")truncated(")/, 'malformed'],
  ['messages', /("response": "[^"]*)[^"](")/],
  ['messages-refused', /("expect": ")unopenable(")/, 'malformed'],
  ['bhttp', /("encoded": "[^"]*)[^"](")/],
  ['bhttp-refused', /("expect": ")too-large(")/, 'malformed'],
  ['replay-window', /(")fresh(")/, 'stale'],
  ['websocket', /("sealed": "[^"]*)[^"](")/],
  ['websocket-refused', /("expect": ")malformed(")/, 'unopenable'],
  ['cookies', /("recordId": "[^"]*)[^"](")/],
  ['cookies', /("record": "[^"]*)[^"](")/],
  ['cookies', /("jar": "[^"]*)[^"](")/],
  ['relay-states', /("result":")request-stale(")/, 'runs'],
  ['client-calls', /("error":")may-have-run(")/, 'unreachable'],
  ['client-calls', /("runs":)1()/, '2'],
  ['client-sessions', /("is":")over(")/, 'use'],
  ['client-sessions', /("provesLost":)true()/, 'false'],
  ['client-sessions', /("sentMs":)\d+()/, '7'],
];

test.skipIf(!canRun).each(CHANGES)(
  'does not agree with %s.json when one of its values changes, %#',
  (file, pattern, instead) => {
    const folder = mkdtempSync(join(tmpdir(), 'mte-relay-python-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const part of ['python', 'vectors'])
      cpSync(join(import.meta.dirname, part), join(folder, part), { recursive: true });
    const path = join(folder, 'vectors', `${file}.json`);
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(pattern, (all, before: string, behind: string) => {
      const last = all.at(-1 - behind.length) === '0' ? '1' : '0';
      return `${before}${instead ?? last}${behind}`;
    });
    expect(changed).not.toBe(text);
    writeFileSync(path, changed);
    const { status, stderr } = run(folder, STATES.includes(file) ? 'states' : file.replace('-refused', ''));
    expect(status).toBe(1);
    expect(stderr).toMatch(/expected .*, saw |accepted|Refused: /);
  },
);

/** @param parts of the check; default: all. */
function run(folder: string, ...parts: string[]) {
  return spawnSync(PYTHON as string, ['-B', join(folder, 'python/check.py'), ...parts], { encoding: 'utf8' });
}
