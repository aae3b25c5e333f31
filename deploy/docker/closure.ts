// The project's part of the image: the server, the workspaces that it imports, and its production dependencies as the lock
// file names them, without files for readers or for a build alone.
//   node deploy/docker/closure.ts FOLDER     FOLDER is made; the project must be built
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SERVER = 'packages/server';
/** Read at run time, or required by a licence. */
const KEPT_EXTENSIONS = new Set(['.js', '.cjs', '.mjs', '.json', '.wasm', '.node']);
const KEPT_NAMES = /(?:^|-)(?:licen[cs]es?|notice|copying)\b/i;

interface Manifest {
  readonly files?: readonly string[];
}

/** Lays the closure out in this folder. Throws when npm fails or the project has not been built. */
export function writeClosure(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`);
  for (const file of ['package.json', 'package-lock.json', '.npmrc', ...workspaces().map(manifestOf)]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  install(folder);
  const used = new Set([SERVER, ...linkedWorkspaces(folder)]);
  for (const workspace of workspaces()) {
    if (used.has(workspace)) copyWorkspace(workspace, folder);
    else rmSync(join(folder, workspace), { recursive: true });
  }
  for (const file of [
    'package.json',
    'package-lock.json',
    '.npmrc',
    'node_modules/.bin',
    'node_modules/.package-lock.json',
  ]) {
    rmSync(join(folder, file), { recursive: true, force: true });
  }
  removeUnread(join(folder, 'node_modules'));
}

const manifestOf = (workspace: string): string => `${workspace}/package.json`;

function workspaces(): string[] {
  return readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}`);
}

/** npm chooses and checks the packages: exactly those of the lock file, by their hashes. */
function install(folder: string): void {
  const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', `--workspace=${SERVER}`];
  const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${status}:\n${stderr}`);
}

/** Workspaces that npm linked because the server imports them; other links would be broken. */
function linkedWorkspaces(folder: string): string[] {
  const scope = join(folder, 'node_modules/@mte-relay');
  const dependencies = new Set(dependenciesOf(SERVER));
  const linked: string[] = [];
  for (const name of readdirSync(scope)) {
    if (dependencies.has(`@mte-relay/${name}`)) linked.push(`packages/${name}`);
    else rmSync(join(scope, name));
  }
  return linked;
}

function dependenciesOf(workspace: string): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, manifestOf(workspace)), 'utf8')) as { dependencies?: object };
  const own = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@mte-relay/'));
  return own.flatMap((name) => [name, ...dependenciesOf(name.replace('@mte-relay', 'packages'))]);
}

/** The published files of the package, without sources, types and maps. */
function copyWorkspace(workspace: string, folder: string): void {
  const { files = [] } = JSON.parse(readFileSync(join(ROOT, manifestOf(workspace)), 'utf8')) as Manifest;
  if (!existsSync(join(ROOT, workspace, 'dist'))) throw new Error(`${workspace} is not built: npm run build`);
  for (const file of [...files, 'LICENSE'].filter((name) => !name.startsWith('!') && name !== 'src')) {
    const from = join(ROOT, workspace, file);
    if (!existsSync(from)) throw new Error(`${relative(ROOT, from)} is in "files" and is not there`);
    cpSync(from, join(folder, workspace, file), { recursive: true });
  }
  removeUnread(join(folder, workspace));
}

function removeUnread(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      removeUnread(path);
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    } else if (entry.isFile() && !KEPT_EXTENSIONS.has(extname(entry.name)) && !KEPT_NAMES.test(entry.name)) {
      rmSync(path);
    }
  }
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (!folder) throw new Error('usage: node deploy/docker/closure.ts FOLDER');
  writeClosure(folder);
}
