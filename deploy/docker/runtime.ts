// The image's content besides the project: the running Node, the libraries that it loads, the few files that these read, and
// the packages of the distribution that they belong to.
//   node deploy/docker/runtime.ts FOLDER
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const NODE = '/usr/local/bin/node';
/** Of the user that the Dockerfile names; a number, so that Kubernetes can check that it is not root. */
const UID = 65_532;

function writeRuntime(folder: string): void {
  const libraries = sharedObjects();
  copy(process.execPath, join(folder, NODE));
  for (const library of libraries) copy(library, join(folder, library));
  for (const [path, text] of Object.entries(SYSTEM_FILES)) write(join(folder, path), text);
  if (existsSync('/etc/os-release')) copy('/etc/os-release', join(folder, 'etc/os-release'));
  for (const name of new Set(libraries.map(owner))) if (name) recordPackage(name, folder);
}

/** Node's report has the libraries of the loader. */
function sharedObjects(): string[] {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  return sharedObjects.filter((path) => path.startsWith('/') && path !== process.execPath && existsSync(path));
}

const SYSTEM_FILES: Readonly<Record<string, string>> = {
  'etc/passwd': `relay:x:${UID}:${UID}:relay:/app:/nonexistent\n`,
  'etc/group': `relay:x:${UID}:\n`,
  // Without it the C library queries DNS before /etc/hosts.
  'etc/nsswitch.conf': 'hosts: files dns\n',
};

/** The Debian package that a file belongs to; undefined on another distribution. */
function owner(path: string): string | undefined {
  const real = realpathSync(path);
  // The database may have its name from before /lib became /usr/lib.
  for (const name of [real, real.replace(/^\/usr\/lib/, '/lib')]) {
    const { status, stdout } = spawnSync('dpkg-query', ['--search', name], { encoding: 'utf8' });
    if (status === 0) return stdout.split(':')[0];
  }
  return undefined;
}

/** Where scanners look for packages of an image without a package manager, and their licences. */
function recordPackage(name: string, folder: string): void {
  const { stdout } = spawnSync('dpkg-query', ['--status', name], { encoding: 'utf8' });
  write(join(folder, 'var/lib/dpkg/status.d', name), stdout);
  const copyright = `/usr/share/doc/${name}/copyright`;
  if (existsSync(copyright)) write(join(folder, copyright), readFileSync(copyright, 'utf8'));
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(realpathSync(from), to);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const folder = process.argv[2];
if (!folder) throw new Error('usage: node deploy/docker/runtime.ts FOLDER');
writeRuntime(folder);
