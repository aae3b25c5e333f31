// `npm run check:packages`: packs each package as `npm publish` would and has the tarball judged by publint and
// are-the-types-wrong, so that what is checked is what a user would install.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';

interface Manifest {
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'mte-relay-pack-'));
const problems: string[] = [];
try {
  for (const name of readdirSync(join(root, 'packages'))) checkPackage(name);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function checkPackage(name: string): void {
  const path = join(root, 'packages', name);
  const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
  if (manifest.private) return; // is never published
  const { filename, files } = pack(path);
  const tarball = join(folder, filename);
  console.log(`${name}: ${files.length} files`);
  // Apache-2.0 §4: who gets the package gets the licence.
  if (!files.includes('LICENSE')) problems.push(`${name}: LICENSE is not packed`);
  judge(name, 'publint', ['--strict', tarball]);
  // A package without an entry to import has no types that could be wrong.
  if (manifest.exports) judge(name, 'attw', [tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji']);
  for (const bin of Object.values(manifest.bin ?? {})) checkBin(name, path, bin, files);
}

function pack(path: string): { filename: string; files: string[] } {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: path,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [packed] = JSON.parse(output) as { filename: string; files: { path: string }[] }[];
  if (!packed) throw new Error(`npm pack reported nothing about ${path}`);
  return { filename: packed.filename, files: packed.files.map((file) => file.path) };
}

/** Runs one judge; its words are shown only when it objects. */
function judge(name: string, command: string, args: readonly string[]): void {
  try {
    execFileSync(join(root, 'node_modules', '.bin', command), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    problems.push(`${name}: ${command} objects\n${stdout ?? ''}${stderr ?? ''}`);
  }
}

/** publint sees that a command's file is packed; this sees that what it imports is packed too. */
function checkBin(name: string, path: string, bin: string, files: readonly string[]): void {
  const source = readFileSync(join(path, bin), 'utf8');
  for (const [, specifier = ''] of source.matchAll(/(?:from|import)\s*\(?['"](\.[^'"]+)['"]/g)) {
    const target = posix.join(posix.dirname(bin), specifier);
    if (!files.includes(target)) problems.push(`${name}: ${bin} imports ${target}, which is not packed`);
  }
}
