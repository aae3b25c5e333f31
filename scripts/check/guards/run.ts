// `npm run check:guards`: takes each guard of list.ts out of a copy of the repository, in turn, and shows that the tests
// that are named for it fail. Arguments choose guards by a part of their attack's name. It works on what is committed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GUARDS, type Guard } from './list.ts';

const ROOT = join(import.meta.dirname, '../../..');
const wanted = process.argv.slice(2);
const guards = GUARDS.filter(({ attack }) => wanted.length === 0 || wanted.some((part) => attack.includes(part)));
if (guards.length === 0) throw new Error(`no guard is named by ${wanted.join(' ')}`);

const copy = join(mkdtempSync(join(tmpdir(), 'mte-relay-guards-')), 'copy');
let kept = 0;
try {
  run(ROOT, 'git', ['worktree', 'add', '--quiet', '--detach', copy]);
  run(ROOT, 'cp', ['-al', 'node_modules', join(copy, 'node_modules')]); // hard links: nothing writes into it
  run(copy, 'npm', ['run', '--silent', 'build']);
  const files = [...new Set(guards.flatMap(({ tests }) => tests))];
  if (!passes({ tests: files, isBuilt: guards.some(({ isBuilt }) => isBuilt) })) {
    throw new Error('the tests fail with all guards in place');
  }
  for (const guard of guards) {
    const isNeeded = without(guard, () => !passes(guard));
    console.log(`${isNeeded ? 'fails without its guard' : 'PASSES WITHOUT ITS GUARD'}: ${guard.attack}`);
    if (isNeeded) kept += 1;
  }
} finally {
  spawnSync('git', ['worktree', 'remove', '--force', copy], { cwd: ROOT });
  rmSync(join(copy, '..'), { recursive: true, force: true });
}
console.log(`${kept} of ${guards.length} guards are held by a test`);
process.exitCode = kept === guards.length ? 0 : 1;

/** Runs `work` while the guard is out. @throws Error unless the guard's text is there exactly once. */
function without<T>({ file, guard, instead }: Guard, work: () => T): T {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  const [before = '', after, ...more] = source.split(guard);
  if (after === undefined || more.length > 0) throw new Error(`${file}: not exactly once: ${guard}`);
  writeFileSync(path, before + instead + after);
  try {
    return work();
  } finally {
    writeFileSync(path, source);
  }
}

/** True if these tests pass. A build that the missing guard breaks proves nothing, so it is an error. */
function passes({ tests, isBuilt }: Pick<Guard, 'tests' | 'isBuilt'>): boolean {
  const runner = isBuilt ? 'scripts/test/run.ts' : 'node_modules/vitest/vitest.mjs';
  const args = isBuilt ? tests : ['run', '--project=unit', ...tests];
  const { status, stdout } = spawnSync(join(copy, 'node_modules/.bin/node'), [runner, ...args], {
    cwd: copy,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 100_000_000,
  });
  if (!/\d+ (?:passed|failed)/.test(stdout)) throw new Error(`no test ran:\n${stdout.slice(-2_000)}`);
  return status === 0;
}

function run(cwd: string, command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
}
