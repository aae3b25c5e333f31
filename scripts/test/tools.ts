// Programs from outside npm that tests use: finds them, installs what is missing where it may (root on Debian), and
// elsewhere says exactly what to install. A test that needs one reads its variable and skips when that is unset.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface SystemTool {
  /** Names under which it may be installed, best first. */
  readonly commands: readonly string[];
  readonly debianPackage: string;
  readonly whatFor: string;
  /** Environment variable that carries its path to the tests; set beforehand, it is left as it is. */
  readonly variable: string;
  /** True when it is of no use to anybody but root. */
  readonly rootOnly?: boolean;
}

/** Everything that `npm test` wants; the bench adds its own. */
export const TEST_TOOLS: readonly SystemTool[] = [
  {
    commands: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    debianPackage: 'chromium',
    whatFor: 'end-to-end tests in a real browser',
    variable: 'MTE_RELAY_CHROMIUM',
  },
  {
    commands: ['firefox-esr', 'firefox'],
    debianPackage: 'firefox-esr',
    whatFor: 'the conformance cases in Firefox',
    variable: 'MTE_RELAY_FIREFOX',
  },
  {
    commands: ['tcpdump'],
    debianPackage: 'tcpdump',
    whatFor: 'the search for plaintext in a capture of the relay port',
    variable: 'MTE_RELAY_TCPDUMP',
    rootOnly: true,
  },
  {
    commands: ['ip'],
    debianPackage: 'iproute2',
    whatFor: 'tests of a network that goes away under a connection',
    variable: 'MTE_RELAY_IP',
    rootOnly: true,
  },
  {
    commands: ['redis-server'],
    debianPackage: 'redis-server',
    variable: 'MTE_RELAY_REDIS_SERVER',
    whatFor: 'tests of sessions in Redis, its Cluster and Sentinel',
  },
  {
    commands: ['openssl'],
    debianPackage: 'openssl',
    whatFor: 'certificates of the tests of TLS',
    variable: 'MTE_RELAY_OPENSSL',
  },
  {
    commands: ['kubectl'],
    debianPackage: 'kubernetes-client',
    variable: 'MTE_RELAY_KUBECTL',
    whatFor: 'rendering the manifests for Kubernetes',
  },
  {
    commands: ['prometheus'],
    debianPackage: 'prometheus',
    whatFor: 'the test of every panel and rule on a relay under load',
    variable: 'MTE_RELAY_PROMETHEUS',
  },
  {
    commands: ['promtool'],
    debianPackage: 'prometheus',
    whatFor: 'the unit tests of alerts',
    variable: 'MTE_RELAY_PROMTOOL',
  },
  {
    commands: ['nginx'],
    debianPackage: 'nginx',
    whatFor: 'tests of `mte-relay doctor` through a real reverse proxy',
    variable: 'MTE_RELAY_NGINX',
  },
  {
    commands: ['haproxy'],
    debianPackage: 'haproxy',
    variable: 'MTE_RELAY_HAPROXY',
    whatFor: 'the rehearsal of rollouts behind a load balancer',
  },
];

/** What `npm run rollout` takes. */
export const ROLLOUT_TOOLS: readonly SystemTool[] = TEST_TOOLS.filter(({ variable }) =>
  /REDIS_SERVER|PROMETHEUS|KUBECTL|HAPROXY/.test(variable),
);

/** What building the container image takes where there is no engine and no registry: `npm run image:try`. */
export const IMAGE_TOOLS: readonly SystemTool[] = [
  {
    commands: ['buildah'],
    debianPackage: 'buildah',
    variable: 'MTE_RELAY_BUILDAH',
    whatFor: 'building the image',
    rootOnly: true,
  },
  {
    commands: ['debootstrap'],
    debianPackage: 'debootstrap',
    variable: 'MTE_RELAY_DEBOOTSTRAP',
    whatFor: 'making a base image',
    rootOnly: true,
  },
];

/** Paths by variable of the tools that are there, after installing what is missing where that is allowed. */
export function provideTools(tools: readonly SystemTool[]): Record<string, string> {
  const missing = tools.filter((tool) => !locate(tool));
  if (missing.length > 0 && mayInstall()) install(missing);
  const paths: Record<string, string> = {};
  for (const tool of tools) {
    const path = locate(tool);
    if (tool.rootOnly && !isRoot()) console.error(`${tool.commands[0]} needs root: ${tool.whatFor} will be skipped.`);
    else if (path) paths[tool.variable] = path;
    else console.error(missingNotice(tool));
  }
  return paths;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function missingNotice(tool: SystemTool): string {
  return (
    `${tool.commands[0]} is missing: ${tool.whatFor} will be skipped.\n` +
    `  Debian: apt-get install ${tool.debianPackage}; elsewhere install it and set ${tool.variable} to its path.`
  );
}

function locate(tool: SystemTool): string | undefined {
  const given = process.env[tool.variable];
  if (given) return given;
  // Debian keeps some in sbin, which is not on everybody's PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const command of tool.commands) {
    for (const folder of folders) {
      const path = join(folder, command);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// Only Debian itself: elsewhere in the family a package of this name may be a stub for another packaging system.
function mayInstall(): boolean {
  if (!isRoot()) return false;
  try {
    return /^ID="?debian"?$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

function install(tools: readonly SystemTool[]): void {
  const packages = [...new Set(tools.map((tool) => tool.debianPackage))];
  console.log(`Installing ${packages.join(', ')} by apt-get`);
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const { status } = spawnSync('apt-get', ['--quiet', ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 5 * 60_000,
    });
    // `update` may fail for one source of several; what counts is whether the programs are there afterwards.
    if (status !== 0) console.error(`apt-get ${args[0]} ended with ${status ?? 'a timeout'}`);
  }
}
