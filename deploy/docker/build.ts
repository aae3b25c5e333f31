// Builds the relay's image, with its bill of materials and its provenance.
//   npm run image -- [--tag NAME] [--base IMAGE] [--engine docker|buildah] [--out FOLDER] [--push]
// In FOLDER (deploy/docker/dist) afterwards: sbom.cdx.json, the content of the image (CycloneDX; also in the image);
// provenance.json, an in-toto statement with a SLSA v1 predicate; image.json, name and digest. Signing needs your key.
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');
const DOCKERFILE = 'deploy/docker/Dockerfile';
const SBOM = 'sbom.cdx.json';

interface Options {
  readonly tag: string;
  /** Default: the one that the Dockerfile names. */
  readonly base: string | undefined;
  readonly engine: 'docker' | 'buildah';
  readonly out: string;
  readonly push: boolean;
}

interface Source {
  readonly version: string;
  /** Commit, with the suffix `-dirty` when files differ from it. */
  readonly revision: string;
  /** Of the commit, in seconds since 1970: every build of one source has the same times. */
  readonly epochSeconds: number;
}

function build(options: Options): void {
  const source = readSource();
  const startedOn = new Date().toISOString();
  mkdirSync(options.out, { recursive: true });
  const built = options.engine === 'docker' ? buildByDocker(options, source) : buildByBuildah(options, source);
  const { digest, sbom } = built;
  const statement = provenance(options, source, built, startedOn);
  writeFileSync(join(options.out, SBOM), sbom);
  writeFileSync(join(options.out, 'provenance.json'), `${JSON.stringify(statement, null, 2)}\n`);
  writeFileSync(join(options.out, 'image.json'), `${JSON.stringify({ name: options.tag, digest })}\n`);
  console.log(`${options.tag} ${digest}\n${options.out}: ${SBOM}, provenance.json, image.json`);
}

function readSource(): Source {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'packages/server/package.json'), 'utf8')) as Source;
  const dirty = output('git', ['status', '--porcelain', '--untracked-files=no']) !== '';
  return {
    version,
    revision: output('git', ['rev-parse', 'HEAD']) + (dirty ? '-dirty' : ''),
    epochSeconds: Number(output('git', ['log', '-1', '--format=%ct'])),
  };
}

function buildArguments({ base, tag }: Options, { version, revision, epochSeconds }: Source): string[] {
  const created = new Date(epochSeconds * 1000).toISOString();
  const values = { VERSION: version, REVISION: revision, CREATED: created, ...(base && { NODE_IMAGE: base }) };
  const args = Object.entries(values).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  return ['--file', DOCKERFILE, '--tag', tag, ...args];
}

/** BuildKit adds its own attestations to a pushed image; a loaded image cannot have them. */
function buildByDocker(options: Options, source: Source): Built {
  const metadata = join(options.out, 'docker-metadata.json');
  const kept = options.push ? ['--push', '--sbom=true', '--provenance=mode=max'] : ['--load'];
  const args = buildArguments(options, source);
  run('docker', ['buildx', 'build', ...kept, '--metadata-file', metadata, ...args, '.'], source);
  const { 'containerimage.digest': digest = '' } = JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, string>;
  rmSync(metadata);
  run('docker', ['buildx', 'build', '--target=bill', `--output=type=local,dest=${options.out}`, ...args, '.'], source);
  return { digest, sbom: readFileSync(join(options.out, SBOM)) };
}

/** Needs neither a daemon nor, with chroot, namespaces; Docker's format, because OCI's lacks the health check. */
function buildByBuildah(options: Options, source: Source): Built {
  const form = ['--isolation', 'chroot', '--format', 'docker', '--timestamp', String(source.epochSeconds)];
  run('buildah', ['build', ...form, ...buildArguments(options, source), '.'], source);
  if (options.push) run('buildah', ['push', options.tag], source);
  const container = output('buildah', ['from', '--pull-never', options.tag]);
  try {
    const sbom = readFileSync(join(output('buildah', ['mount', container]), 'app', SBOM));
    return { digest: imageDigest(options.tag), sbom };
  } finally {
    output('buildah', ['rm', container]);
  }
}

function imageDigest(name: string): string {
  return output('buildah', ['inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', name]);
}

interface Built {
  /** Of the manifest, `sha256:…`. */
  readonly digest: string;
  readonly sbom: Buffer;
}

/** SLSA provenance v1 in an in-toto statement v1. */
function provenance(
  options: Options,
  { version, revision }: Source,
  { digest, sbom }: Built,
  startedOn: string,
): object {
  const sha256Of = (file: string): string => sha256(readFileSync(join(ROOT, file)));
  const files = [DOCKERFILE, '.dockerignore', 'package-lock.json'];
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: options.tag, digest: { sha256: digest.replace('sha256:', '') } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:mte-relay:image:v1',
        externalParameters: { dockerfile: DOCKERFILE, base: baseName(options) },
        internalParameters: { engine: options.engine },
        resolvedDependencies: [
          { uri: `pkg:generic/mte-relay@${version}`, digest: { gitCommit: revision } },
          ...baseMaterial(options),
          ...files.map((file) => ({ uri: `file:${file}`, digest: { sha256: sha256Of(file) } })),
        ],
      },
      runDetails: {
        builder: { id: 'urn:mte-relay:deploy/docker/build.ts' },
        metadata: { invocationId: randomUUID(), startedOn, finishedOn: new Date().toISOString() },
        byproducts: [{ name: SBOM, digest: { sha256: sha256(sbom) } }],
      },
    },
  };
}

function baseName({ base }: Options): string {
  return base ?? (/^ARG NODE_IMAGE=(.+)$/m.exec(readFileSync(join(ROOT, DOCKERFILE), 'utf8'))?.[1] as string);
}

function baseMaterial(options: Options): object[] {
  const name = baseName(options);
  const query =
    options.engine === 'docker'
      ? ['image', 'inspect', '--format', '{{index .RepoDigests 0}}', name]
      : ['inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', name];
  const { stdout } = spawnSync(options.engine, query, { encoding: 'utf8' });
  const found = /sha256:([0-9a-f]{64})/.exec(stdout)?.[1];
  return [{ uri: `docker:${name}`, ...(found && { digest: { sha256: found } }) }];
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function output(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
  return stdout.trim();
}

function run(command: string, args: readonly string[], { epochSeconds }: Source): void {
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) };
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], env });
  if (status !== 0) throw new Error(`${command} ended with ${error?.message ?? status}`);
}

/** Docker where its engine responds, else buildah. */
function engineHere(): 'docker' | 'buildah' {
  return spawnSync('docker', ['version', '--format', '{{.Server.Version}}']).status === 0 ? 'docker' : 'buildah';
}

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: 'localhost/mte-relay-server:0.1.0' },
    base: { type: 'string' },
    engine: { type: 'string', default: engineHere() },
    out: { type: 'string', default: join(ROOT, 'deploy/docker/dist') },
    push: { type: 'boolean', default: false },
  },
});
if (values.engine !== 'docker' && values.engine !== 'buildah') throw new Error('--engine is docker or buildah');
const { tag, base, engine, out, push } = values;
build({ tag, base, engine, out, push });
