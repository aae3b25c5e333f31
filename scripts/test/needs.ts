// Finds what the chosen test files need from outside: the programs that a file, or any file that it imports, names by
// `toolPath`, and whether the packages of the runtimes are needed.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { TOOLS, type ToolName } from '@mte-relay/testing/tools';
import { build } from 'esbuild';
import { createVitest, parseCLI } from 'vitest/node';

const ROOT = join(import.meta.dirname, '../..');

/** Paths, from the root, of the test files that `vitest run` with these arguments would run. */
export async function testFiles(runnerArgs: readonly string[]): Promise<string[]> {
  const { filter, options } = parseCLI(['vitest', 'run', ...runnerArgs]);
  const vitest = await createVitest('test', { ...options, root: ROOT, watch: false });
  try {
    const found = await vitest.globTestSpecifications(filter);
    return [...new Set(found.map(({ moduleId }) => relative(ROOT, moduleId)))];
  } finally {
    await vitest.close();
  }
}

/**
 * Programs that these files need, in the order of the list.
 * @param files paths from the root.
 * @throws Error when one of them imports a file that is not there.
 */
export async function toolsOf(files: readonly string[]): Promise<ToolName[]> {
  const named = new Set((await filesOf(files)).flatMap(toolsNamedIn));
  return (Object.keys(TOOLS) as ToolName[]).filter((name) => named.has(name));
}

/** These files and all that they import. */
async function filesOf(files: readonly string[]): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [...files],
    absWorkingDir: ROOT,
    bundle: true, // follows imports, except those of types
    alias: { '@mte-relay/testing': join(ROOT, 'packages/testing/src') },
    resolveExtensions: ['.ts'],
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: 'unused',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  return Object.keys(metafile.inputs);
}

function toolsNamedIn(file: string): string[] {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\btoolPath\('([\w-]+)'\)/g)].map(([, name = '']) => name);
}

/**
 * True when one of these files, or of those that it imports, is of the runtimes that side-packages.ts installs.
 * @throws Error when one of them imports a file that is not there.
 */
export async function needsSidePackages(files: readonly string[]): Promise<boolean> {
  return (await filesOf(files)).some((file) => file.startsWith('test/runtimes/'));
}
