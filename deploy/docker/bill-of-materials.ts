// Lists the content of an image, read from its files: CycloneDX 1.6, the same bytes for the same content (so without serial
// number and time). `npm sbom` cannot list the closure of one workspace among several.
//   node deploy/docker/bill-of-materials.ts FOLDER     writes FOLDER/app/sbom.cdx.json
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Component {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

function billOfMaterials(image: string): object {
  const app = join(image, 'app');
  const packages = packageFolders(join(app, 'node_modules')).sort();
  const server = readManifest(join(app, 'packages/server'));
  const main = component('application', `pkg:npm/${purlName(server)}`, server.name, server.version);
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { ...main, ...licence(server) } },
    components: [...packages.map((folder) => npmComponent(folder, app)), nodeItself(), ...debianComponents(image)],
    dependencies: [
      { ref: main['bom-ref'], dependsOn: dependenciesOf(join(app, 'packages/server'), app) },
      ...packages.map((folder) => ({ ref: referenceOf(folder), dependsOn: dependenciesOf(folder, app) })),
    ],
  };
}

/** Every package below a node_modules, with scopes and nested ones; workspaces are links. */
function packageFolders(modules: string): string[] {
  if (!existsSync(modules)) return [];
  return readdirSync(modules).flatMap((name) => {
    const path = join(modules, name);
    if (name.startsWith('@')) return packageFolders(path);
    return existsSync(join(path, 'package.json')) ? [path, ...packageFolders(join(path, 'node_modules'))] : [];
  });
}

function npmComponent(folder: string, app: string): object {
  const manifest = readManifest(folder);
  const plain = component('library', referenceOf(folder), manifest.name, manifest.version, '');
  const integrity = /^sha512-(.+)$/.exec(LOCKED[relative(app, folder)]?.integrity ?? '')?.[1];
  const content = integrity && Buffer.from(integrity, 'base64').toString('hex');
  return { ...plain, ...licence(manifest), ...(content && { hashes: [{ alg: 'SHA-512', content }] }) };
}

const LOCKED = (
  JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly integrity?: string }>>;
  }
).packages;

/** As Node resolves them: from the nearest node_modules up. A missing one is optional. */
function dependenciesOf(folder: string, app: string): string[] {
  const names = Object.keys(readManifest(folder).dependencies ?? {});
  return names.flatMap((name) => {
    for (let from = realpathSync(folder); from.startsWith(realpathSync(app)); from = dirname(from)) {
      const path = join(from, 'node_modules', name);
      if (existsSync(path)) return [referenceOf(path)];
    }
    return [];
  });
}

function nodeItself(): Component {
  return component('platform', 'pkg:generic/node', 'node', process.versions.node);
}

function debianComponents(image: string): Component[] {
  const folder = join(image, 'var/lib/dpkg/status.d');
  return (existsSync(folder) ? readdirSync(folder) : []).sort().map((name) => {
    const version = /^Version: (.+)$/m.exec(readFileSync(join(folder, name), 'utf8'))?.[1] ?? '';
    return component('library', `pkg:deb/debian/${name}`, name, version);
  });
}

function component(
  type: Component['type'],
  purl: string,
  name: string,
  version: string,
  suffix = `@${encodeURIComponent(version)}`,
): Component {
  return { type, 'bom-ref': purl + suffix, name, version, purl: purl + suffix };
}

function referenceOf(folder: string): string {
  const manifest = readManifest(folder);
  return `pkg:npm/${purlName(manifest)}@${manifest.version}`;
}

const purlName = ({ name }: Manifest): string => name.replace('@', '%40');

function licence({ license }: Manifest): object {
  return license ? { licenses: [{ expression: license }] } : {};
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

const folder = process.argv[2];
if (!folder) throw new Error('usage: node deploy/docker/bill-of-materials.ts FOLDER');
writeFileSync(join(folder, 'app/sbom.cdx.json'), `${JSON.stringify(billOfMaterials(folder), null, 1)}\n`);
