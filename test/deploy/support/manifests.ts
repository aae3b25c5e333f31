// Manifests checked against the schemas of Kubernetes, the reference with its values, and the files of its secrets.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { containers, KUBERNETES, type Manifest, parseManifests } from '../../../deploy/rehearse/manifests.ts';
import { CUSTOM_RESOURCES } from './custom-resources.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Files of the reference folder, with their placeholders filled in. */
export function reference(values: Readonly<Record<string, string>>): Manifest[] {
  const text = ['deployment', 'service'].map((name) =>
    readFileSync(join(KUBERNETES, `reference/${name}.yaml`), 'utf8'),
  );
  const filled = Object.entries(values).reduce(
    (all, [name, value]) => all.replace(`<${name}>`, value),
    text.join('---\n'),
  );
  return parseManifests(filled);
}

/**
 * Everything that is wrong with these objects by the OpenAPI descriptions of Kubernetes and its Gateway API, one line each:
 * types, what is required, formats; and fields that do not exist, which the compiler finds. Kinds of Azure's by our own
 * schemas of them.
 */
export async function schemaProblems(manifests: readonly Manifest[]): Promise<string[]> {
  const own = manifests.filter(({ kind }) => !(kind in CUSTOM_RESOURCES));
  const others = manifests.filter(({ kind }) => kind in CUSTOM_RESOURCES);
  const found = await Promise.all(own.map(valueProblems));
  return [...found.flat(), ...unknownFields(own), ...others.flatMap(customProblems)];
}

async function valueProblems(manifest: Manifest): Promise<string[]> {
  const { kind, metadata } = manifest;
  const models = (await import(moduleOf(manifest))) as Record<string, new (data: Manifest) => { validate(): void }>;
  const Model = models[kind];
  if (!Model) return [`${kind} is not in ${manifest.apiVersion}`];
  try {
    new Model(manifest).validate();
    return [];
  } catch (error) {
    return [`${kind} ${metadata.name}: ${(error as Error).message}`];
  }
}

function moduleOf({ apiVersion }: Manifest): string {
  const models = apiVersion.startsWith('gateway.') ? '@kubernetes-models/gateway-api' : 'kubernetes-models';
  return `${models}/${apiVersion}`;
}

/** A literal with a field that its interface does not have is an error of types. */
function unknownFields(manifests: readonly Manifest[]): string[] {
  const cache = join(ROOT, 'node_modules/.cache'); // below node_modules, for the compiler to find the interfaces
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'manifests-'));
  try {
    const lines = manifests.map(
      (manifest, i) =>
        `export const o${i}: import('${moduleOf(manifest)}').I${manifest.kind} = ${JSON.stringify(manifest)};`,
    );
    writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'));
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--pretty', 'false', '--types', ''];
    const args = [...flags, '--module', 'nodenext', '--target', 'es2024', 'manifests.ts'];
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    return [];
  } catch (error) {
    const { stdout } = error as { stdout: string };
    return stdout.split('\n').filter((line) => line.startsWith('manifests.ts'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function customProblems(manifest: Manifest): string[] {
  const ajv = new Ajv({ allErrors: true });
  const validate = ajv.compile(CUSTOM_RESOURCES[manifest.kind] as object);
  if (validate(manifest as unknown)) return [];
  return [`${manifest.kind} ${manifest.metadata.name}: ${ajv.errorsText(validate.errors)}`];
}

/** Folders of secret files that a container mounts, with the files that are in them. */
export function secretFiles(workload: Manifest, manifests: readonly Manifest[]): { folder: string; files: string[] }[] {
  const { volumes = [] } = workload['spec'].template.spec;
  const [container] = containers(workload);
  return (container?.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const volume = volumes.find((candidate: { name: string }) => candidate.name === name);
    const { secretProviderClass } = volume?.csi?.volumeAttributes ?? {};
    if (secretProviderClass) return [{ folder: mountPath, files: vaultFiles(secretProviderClass, manifests) }];
    // A Secret of the cluster is made by the command that the overlay's kustomization.yaml shows.
    return volume?.secret ? [{ folder: mountPath, files: literalsOf(volume.secret.secretName) }] : [];
  });
}

function vaultFiles(providerClass: string, manifests: readonly Manifest[]): string[] {
  const found = manifests.find(
    ({ kind, metadata }) => kind === 'SecretProviderClass' && metadata.name === providerClass,
  );
  if (!found) throw new Error(`no SecretProviderClass ${providerClass}`);
  return [...String(found['spec'].parameters.objects).matchAll(/objectAlias: (\S+)/g)].map(
    ([, alias]) => alias as string,
  );
}

function literalsOf(secretName: string): string[] {
  const text = readFileSync(join(KUBERNETES, 'overlays/trial/kustomization.yaml'), 'utf8');
  if (!text.includes(`create secret generic ${secretName} `))
    throw new Error(`no command creates Secret ${secretName}`);
  return [...text.matchAll(/--from-literal=([\w-]+)=/g)].map(([, name]) => name as string);
}
