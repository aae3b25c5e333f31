// Finds the programs of tools.ts, installs the missing ones where it may (root on Debian), and elsewhere names what to
// install.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TOOLS, type Tool, type ToolName, toolPath, toolVariable } from '@mte-relay/testing/tools';

/** Paths, by variable, of the programs that are there after what is missing has been installed where that is allowed. */
export function provideTools(names: readonly ToolName[]): Record<string, string> {
  const missing = names.filter((name) => !locate(name));
  if (missing.length > 0 && mayInstall()) install(missing);
  const paths: Record<string, string> = {};
  for (const name of names) {
    const path = locate(name);
    const { rootOnly, whatFor }: Tool = TOOLS[name];
    if (rootOnly && !isRoot()) console.error(`${name} needs root: ${whatFor} will be skipped.`);
    else if (path) paths[toolVariable(name)] = path;
    else console.error(missingNotice(name));
  }
  return paths;
}

/**
 * Provides the programs of a command to this process.
 * @throws Error when one of them is missing.
 */
export function requireTools(names: readonly ToolName[]): void {
  Object.assign(process.env, provideTools(names));
  const missing = names.filter((name) => !toolPath(name));
  if (missing.length > 0) throw new Error(`missing programs: ${missing.join(', ')}`);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function missingNotice(name: ToolName): string {
  const { debianPackage, whatFor } = TOOLS[name];
  return (
    `${name} is missing: ${whatFor} will be skipped.\n` +
    `  Debian: apt-get install ${debianPackage}; elsewhere install it and set ${toolVariable(name)} to its path.`
  );
}

function locate(name: ToolName): string | undefined {
  const given = toolPath(name);
  if (given) return given;
  // Debian keeps some in sbin, which is not on everybody's PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const command of TOOLS[name].commands) {
    for (const folder of folders) {
      const path = join(folder, command);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// Only Debian itself: elsewhere in the family a package of this name may be a stub for another packaging system.
function mayInstall(): boolean {
  if (!isRoot()) return false;
  try {
    return /^ID="?debian"?$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

function install(names: readonly ToolName[]): void {
  const packages = [...new Set(names.map((name) => TOOLS[name].debianPackage))];
  console.log(`Installing ${packages.join(', ')} by apt-get`);
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', ['--quiet', ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 5 * 60_000,
    });
    // `update` may fail for one source of several; what counts is whether the programs are there afterwards.
    if (status !== 0) console.error(`apt-get ${args[0]} ended with ${status ?? 'a timeout'}`);
  }
}
