// Rendered manifests, and the environment that one of their containers would start with.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { toolPath } from '@mte-relay/testing/tools';
import { parseAllDocuments } from 'yaml';

/** Folder of the manifests. */
export const KUBERNETES: string = join(import.meta.dirname, '../kubernetes');

type Environment = Readonly<Record<string, string>>;

/** A Kubernetes object, with the few fields that are read. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Environment;
    readonly annotations?: Environment;
  };
  // biome-ignore lint/suspicious/noExplicitAny: the schema check validates its shape
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
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']; // newer ones warn of fields that older ones need
  const args = ['kustomize', join(KUBERNETES, overlay)];
  return parseManifests(execFileSync(toolPath('kubectl') as string, args, { encoding: 'utf8', stdio }));
}

/** YAML 1.1, as kubectl reads it. */
export function parseManifests(text: string): Manifest[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  return documents.map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
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

/** The environment that a container starts with, its ConfigMaps first. @throws Error when one is missing. */
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

/** Names of variables whose value is in a file, by the path of the file. */
export function fileVariables(environment: Environment): Map<string, string> {
  const named = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
  return new Map(named.map(([name, path]) => [path, name.slice(0, -'_FILE'.length)]));
}
