// Packages beside the workspaces, which the root's installation leaves out because few need them and they are large:
// installs each, exactly by its lock file, when that has not been done yet or the file has changed since. `npm test` begins
// with it, `node scripts/test/side-packages.ts`, while it provides programs and builds; tests that run alone do it themselves.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const INSTALL_TIMEOUT_MS = 10 * 60_000;
/** Paths from the root, each with a package.json and a package-lock.json. */
const SIDE_PACKAGES = ['test/runtimes', 'examples/react-native']; // the second's Metro makes the bundle for Hermes

/** @throws Error with npm's words when an installation fails. */
export function installSidePackages(): void {
  for (const folder of SIDE_PACKAGES) installSidePackage(folder);
}

/** @param folder path from the root. @throws Error with npm's words when the installation fails. */
export function installSidePackage(folder: string): void {
  const path = join(ROOT, folder);
  const marker = join(path, 'node_modules/.installed-lock.json');
  const lock = readFileSync(join(path, 'package-lock.json'), 'utf8');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return;
  console.log(`Installing ${folder}`);
  const { status, stdout, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: path,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (status !== 0) throw new Error(`npm ci in ${folder} ended with ${status ?? 'a timeout'}:\n${stdout}${stderr}`);
  writeFileSync(marker, lock);
}

if (import.meta.main) installSidePackages();
