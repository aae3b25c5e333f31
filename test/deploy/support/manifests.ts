// Manifests as they are rendered, checked against the schemas of Kubernetes, and the environment that a container of
// theirs would start with.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parseAllDocuments } from 'yaml';
import { toolPath } from '../../../scripts/test/tools.ts';
import { CUSTOM_RESOURCES } from './custom-resources.ts';

const ROOT = join(import.meta.dirname, '../../..');
const KUBERNETES = join(ROOT, 'deploy/kubernetes');

/** Where `npm test` found kubectl; what needs it is skipped without. */
export const KUBECTL: string | undefined = toolPath('kubectl');

type Environment = Readonly<Record<string, string>>;

/** A Kubernetes object, with the few fields of it that are looked at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Environment;
    readonly annotations?: Environment;
  };
  // biome-ignore lint/suspicious/noExplicitAny: its shape is what the schema check is for
  readonly [field: string]: any;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly [field: string]: any;
}

/** `kubectl kustomize`, offline. @param overlay a folder of deploy/kubernetes */
export function render(overlay: string): Manifest[] {
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']; // newer ones warn of what older ones need
  return parse(execFileSync(KUBECTL as string, ['kustomize', join(KUBERNETES, overlay)], { encoding: 'utf8', stdio }));
}

/** Files of the reference folder, with their placeholders filled in. */
export function reference(values: Environment): Manifest[] {
  const text = ['deployment', 'service'].map((name) =>
    readFileSync(join(KUBERNETES, `reference/${name}.yaml`), 'utf8'),
  );
  const filled = Object.entries(values).reduce(
    (all, [name, value]) => all.replace(`<${name}>`, value),
    text.join('---\n'),
  );
  return parse(filled);
}

// YAML 1.1, as kubectl reads it.
function parse(text: string): Manifest[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  return documents.map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
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

/** The Deployment of this name. */
export function deployment(manifests: readonly Manifest[], name: string): Manifest {
  const found = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name);
  if (!found) throw new Error(`no Deployment ${name}`);
  return found;
}

export function containers(workload: Manifest): Container[] {
  const { containers: main, initContainers = [] } = workload['spec'].template.spec;
  return [...initContainers, ...main];
}

/** The environment that a container starts with, its ConfigMaps first. Throws when one is not there. */
export function environmentOf(container: Container, manifests: readonly Manifest[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name);
    if (!map) throw new Error(`no ConfigMap ${configMapRef?.name}`);
    Object.assign(environment, map['data']);
  }
  for (const { name, value } of container.env ?? []) environment[name] = value ?? '';
  return environment;
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

/** Names of variables that stand for a file, by the path of the file. */
export function fileVariables(environment: Environment): Map<string, string> {
  const named = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
  return new Map(named.map(([name, path]) => [path, name.slice(0, -'_FILE'.length)]));
}
