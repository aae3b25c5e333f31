// The models of resending and of claims in Redis, run by spin: each row of their tables in docs/model/README.md has the
// number of errors that it states, and each name of code beside a step of a model is in the file that it names.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from '@mte-relay/testing/tools';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const MODELS = join(ROOT, 'docs/model');
const SPIN = toolPath('spin');
const COMPILER = toolPath('gcc');
/** States of one path: more than the longest has. */
const DEPTH = '1000000';
const PROVED = /errors: (\d+)/;
/** The search ran out of depth or memory, so that no error means nothing. */
const CUT_SHORT = /max search depth too small|out of memory|memory bound/;

const run = promisify(execFile);
const readme = readFileSync(join(MODELS, 'README.md'), 'utf8');

interface Variant {
  readonly model: string;
  readonly flags: readonly string[];
  readonly errors: number;
}

/** Rows of the tables whose first heading is a model of spin. */
function variants(): Variant[] {
  return [...readme.matchAll(/^\| (\S+\.pml) +\| errors .*\n\| -.*\n((?:\|.*\n)+)/gm)].flatMap(
    ([, model = '', rows = '']) =>
      rows
        .trim()
        .split('\n')
        .map((row) => {
          const [, flags = '', errors = ''] = row.split('|');
          return { model, flags: flags.match(/-D[A-Z_]+=\w+/g) ?? [], errors: Number(errors) };
        }),
  );
}

/** Errors that spin finds in every state, one at most. */
async function errorsOf({ model, flags }: Variant): Promise<number> {
  const cwd = mkdtempSync(join(tmpdir(), 'mte-relay-model-'));
  try {
    await run(SPIN as string, ['-a', ...flags, join(MODELS, model)], { cwd });
    await run(COMPILER as string, ['-O0', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], { cwd });
    const { stdout } = await run(join(cwd, 'pan'), [`-m${DEPTH}`], { cwd });
    expect(stdout).not.toMatch(CUT_SHORT);
    return Number(PROVED.exec(stdout)?.[1]);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

describe.skipIf(SPIN === undefined || COMPILER === undefined)('the models of spin (MTE_RELAY_SPIN)', () => {
  test('there are rows for both', () => {
    expect(new Set(variants().map(({ model }) => model))).toEqual(new Set(['resend.pml', 'redis-claims.pml']));
    expect(variants().length).toBeGreaterThan(30);
  });

  test.concurrent.each(variants().map((variant) => ({ name: variant.flags.join(' '), ...variant })))(
    '$model $name: $errors',
    async (variant) => {
      expect(await errorsOf(variant)).toBe(variant.errors);
    },
  );
});

describe('the steps of the models', () => {
  const rows = [...readme.matchAll(/^\| `(\S+\.pml)` +\| (.+?) +\| (.+?) +\|$/gm)].map(
    ([, model = '', steps = '', code = '']) => ({
      model,
      steps: [...steps.matchAll(/`([^`]+)`/g)].map(([, step = '']) => step),
      places: [...code.matchAll(/((?:`[^`]+`(?:, )?)+) \(`([^`]+)`\)/g)].flatMap(([, names = '', file = '']) =>
        [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({ name, file })),
      ),
    }),
  );

  test('there are some', () => {
    expect(rows.length).toBeGreaterThan(8);
  });

  test.each(rows)('$model: $steps', ({ model, steps, places }) => {
    const text = readFileSync(join(MODELS, model), 'utf8');
    for (const step of steps) expect(text).toContain(step);
    expect(places.length).toBeGreaterThan(0);
    for (const { name, file } of places) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      expect(readFileSync(join(ROOT, file), 'utf8'), `${file} has ${name}`).toContain(name);
    }
  });
});
