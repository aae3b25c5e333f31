// Runs the content of the image as a container engine would: from an image of buildah, in namespaces of its own (process 1,
// root file system read-only, no privilege), or without an image as the production closure.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningProcess, startProgram } from '@mte-relay/testing/processes';
import { writeClosure } from '../docker/closure.ts';

/** The image that the commands build and run. */
export const IMAGE = 'localhost/mte-relay-server:0.1.0';

type Environment = Readonly<Record<string, string>>;

/** One process of the content. */
export interface ContainerProcess {
  readonly child: ChildProcess;
  /** Of the relay itself, in the host's PID namespace. */
  pid(): number;
  /** Everything it has printed. */
  output(): string;
  /** Exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Kills it if it still runs. */
  kill(): void;
}

export interface Content {
  /** For the log. */
  readonly description: string;
  /**
   * Runs the content's own command with these arguments.
   * @param folders host folder by path in the container, mounted read-only.
   */
  run(args: readonly string[], environment: Environment, folders?: Environment): ContainerProcess;
  /** Runs another command line of the content. */
  runOther(commandLine: readonly string[], environment: Environment): ContainerProcess;
  /** The folder of the host with the content. */
  readonly root: string;
  /** The path by which a process of the content sees a host folder that is mounted at `containerPath`. */
  seen(containerPath: string, hostFolder: string): string;
  release(): void;
}

interface ImageConfig {
  readonly Env: readonly string[];
  readonly User: string;
  readonly WorkingDir: string;
  readonly Entrypoint: readonly string[];
  readonly Labels: Environment;
}

const buildah = (...args: string[]): string => execFileSync('buildah', args, { encoding: 'utf8' }).trim();

/** The configuration of an image of buildah; undefined without that image, or without buildah. */
export function imageConfig(name: string): ImageConfig | undefined {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    const text = execFileSync('buildah', ['inspect', '--type', 'image', name], { encoding: 'utf8', stdio });
    return (JSON.parse(text) as { Docker: { config: ImageConfig } }).Docker.config;
  } catch {
    return undefined;
  }
}

/** Mounts an image of buildah. Needs root. @throws Error without that image. */
export function imageContent(name: string): Content {
  const config = imageConfig(name);
  if (!config) throw new Error(`buildah has no image ${name}: npm run image`);
  const container = buildah('from', '--pull-never', name);
  const root = buildah('mount', container);
  // An engine adds these to every container.
  for (const folder of ['proc', 'dev']) mkdirSync(join(root, folder), { recursive: true });
  for (const file of ['hosts', 'resolv.conf']) writeFileSync(join(root, 'etc', file), '');
  const runOther = (
    commandLine: readonly string[],
    environment: Environment,
    folders: Environment = {},
  ): ContainerProcess => {
    for (const path of Object.keys(folders)) mkdirSync(join(root, path), { recursive: true });
    const own = Object.fromEntries(config.Env.map((pair) => pair.split(/=(.*)/s, 2)));
    // HOME as an engine sets it, not this machine's.
    return contained({ root, config, folders, commandLine, environment: { HOME: '/', ...own, ...environment } });
  };
  return {
    description: `image ${name}, read-only, as user ${config.User}, process 1 of its own namespace`,
    root,
    run: (args, environment, folders) => runOther([...config.Entrypoint, ...args], environment, folders),
    runOther,
    seen: (containerPath) => containerPath,
    release: () => void buildah('rm', container),
  };
}

interface Contained {
  readonly root: string;
  readonly config: ImageConfig;
  readonly folders: Environment;
  readonly commandLine: readonly string[];
  readonly environment: Environment;
}

// In a mount namespace of its own: bind everything, make the root read-only, then enter it as the image's user.
const ENTER = `
set -e
root=$1; user=$2; group=$3; folder=$4; shift 4
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for file in hosts resolv.conf; do mount --bind "/etc/$file" "$root/etc/$file"; done
while [ "$1" != -- ]; do
  mount --bind "$2" "$root$1"
  mount -o remount,bind,ro "$root$1"
  shift 2
done
shift
mount -o remount,bind,ro "$root"
exec unshare --root="$root" --wd="$folder" --setgid="$group" --setuid="$user" -- "$@"
`;

function contained({ root, config, folders, commandLine, environment }: Contained): ContainerProcess {
  const [user = '', group = ''] = config.User.split(':');
  const namespaces = ['--mount', '--pid', '--fork'];
  const enter = ['--', '/bin/sh', '-c', ENTER, 'sh', root, user, group, config.WorkingDir];
  const binds = Object.entries(folders).flat();
  const program = startProgram(
    '/usr/bin/setpriv',
    ['--clear-groups', '--no-new-privs', '/usr/bin/unshare', ...namespaces, ...enter, ...binds, '--', ...commandLine],
    environment,
  );
  const childOf = (pid: number): number =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  return containerProcess(program, () => childOf(program.child.pid as number));
}

/** Writes the production closure into a temporary folder. */
export function closureContent(): Content {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-closure-'));
  const app = join(folder, 'app');
  writeClosure(app);
  const runOther = (commandLine: readonly string[], environment: Environment): ContainerProcess => {
    const [command, ...args] = commandLine;
    const env = { NODE_ENV: 'production', ...environment };
    const program = startProgram(command as string, args, env, app);
    return containerProcess(program, () => program.child.pid as number);
  };
  return {
    description: 'the production closure of the server, without an image',
    root: folder,
    run: (args, environment) =>
      runOther([process.execPath, join(app, 'packages/server/bin/mte-relay-server.js'), ...args], environment),
    runOther,
    seen: (_containerPath, hostFolder) => hostFolder,
    release: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function containerProcess({ child, output }: RunningProcess, pid: () => number): ContainerProcess {
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const kill = (): void => {
    // The process itself: it has another user, so the exit of its parent does not kill it.
    if (child.exitCode === null && child.signalCode === null) process.kill(pid(), 'SIGKILL');
  };
  return { child, pid, output, exited, kill };
}
