// The one list of programs from outside npm that tests and commands start. A test, or its support, names a program by
// `toolPath('…')`; `npm test` installs the programs that the chosen files name, and a test skips where its program is missing.

export interface Tool {
  /** Names under which it may be installed, best first. */
  readonly commands: readonly string[];
  readonly debianPackage: string;
  readonly whatFor: string;
  /** True when only root can use it. */
  readonly rootOnly?: boolean;
}

export const TOOLS = {
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    debianPackage: 'chromium',
    whatFor: 'end-to-end tests in a real browser',
  },
  firefox: {
    commands: ['firefox-esr', 'firefox'],
    debianPackage: 'firefox-esr',
    whatFor: 'the conformance cases in Firefox',
  },
  tcpdump: {
    commands: ['tcpdump'],
    debianPackage: 'tcpdump',
    whatFor: 'the search for plaintext in a capture of the relay port',
    rootOnly: true,
  },
  ip: {
    commands: ['ip'],
    debianPackage: 'iproute2',
    whatFor: 'tests of a network that goes away under a connection',
    rootOnly: true,
  },
  'redis-server': {
    commands: ['redis-server'],
    debianPackage: 'redis-server',
    whatFor: 'tests of sessions in Redis, its Cluster and Sentinel',
  },
  openssl: {
    commands: ['openssl'],
    debianPackage: 'openssl',
    whatFor: 'certificates of the tests of TLS',
  },
  curl: {
    commands: ['curl'],
    debianPackage: 'curl',
    whatFor: 'tests of the egress with curl',
  },
  python3: {
    commands: ['python3'],
    debianPackage: 'python3-cryptography',
    whatFor: 'the reading of the vectors of cookies in Python',
  },
  spin: {
    commands: ['spin'],
    debianPackage: 'spin',
    whatFor: 'the models of resending and of claims',
  },
  gcc: {
    commands: ['gcc', 'cc'],
    debianPackage: 'g++', // depends on gcc and, unlike it, on the headers of C
    whatFor: 'the programs that spin makes of models',
  },
  kubectl: {
    commands: ['kubectl'],
    debianPackage: 'kubernetes-client',
    whatFor: 'rendering the manifests for Kubernetes',
  },
  prometheus: {
    commands: ['prometheus'],
    debianPackage: 'prometheus',
    whatFor: 'the test of every panel and rule on a relay under load',
  },
  promtool: {
    commands: ['promtool'],
    debianPackage: 'prometheus',
    whatFor: 'the unit tests of alerts',
  },
  nginx: {
    commands: ['nginx'],
    debianPackage: 'nginx',
    whatFor: 'tests of `mte-relay doctor` through a real reverse proxy, and of what such a proxy refuses',
  },
  haproxy: {
    commands: ['haproxy'],
    debianPackage: 'haproxy',
    whatFor: 'the rehearsal of rollouts behind a load balancer',
  },
  buildah: {
    commands: ['buildah'],
    debianPackage: 'buildah',
    whatFor: 'building the image without an engine',
    rootOnly: true,
  },
  debootstrap: {
    commands: ['debootstrap'],
    debianPackage: 'debootstrap',
    whatFor: 'making a base image without a registry',
    rootOnly: true,
  },
} as const satisfies Readonly<Record<string, Tool>>;

export type ToolName = keyof typeof TOOLS;

/** Programs of `npm run image:try`; tests name all the others. */
export const IMAGE_TOOLS: readonly ToolName[] = ['buildah', 'debootstrap'];

/** Environment variable with the path of a program: `MTE_RELAY_REDIS_SERVER`. Set beforehand, it is left as it is. */
export function toolVariable(name: ToolName): string {
  return `MTE_RELAY_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** Path of a program that was provided; undefined where it is missing. */
export function toolPath(name: ToolName): string | undefined {
  return process.env[toolVariable(name)];
}
