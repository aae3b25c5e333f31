// The manifests rendered for Kubernetes: valid by their schemas, without privilege, consistent, and with an
// environment that the relay accepts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runRelayCommand } from '@mte-relay/testing/relay-process';
import { TEST_SECRET } from '@mte-relay/testing/settings';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { toolPath } from '@mte-relay/testing/tools';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Container,
  containers,
  deployment,
  environmentOf,
  fileVariables,
  type Manifest,
  render,
} from '../../deploy/rehearse/manifests.ts';
import { DOMAIN_SETTINGS } from '../../packages/server/src/config/domain-settings.ts';
import { PROCESS_SETTINGS } from '../../packages/server/src/config/process-settings.ts';
import { reference, schemaProblems, secretFiles } from './support/manifests.ts';

const HAS_KUBECTL = toolPath('kubectl') !== undefined;
const SECRET_VALUES: Readonly<Record<string, string>> = {
  CLIENT_ID_SECRET: TEST_SECRET,
  RELAY_IDENTITY_SEED: Buffer.alloc(32, 7).toString('base64'),
  REDIS_URL: 'rediss+cluster://:aKey%2Bof%3DAzure@mte-relay.westeurope.redis.azure.net:10000',
};
const REFERENCE_VALUES = {
  CONTAINER_IMAGE: 'registry.example/mte-relay-server:0.1.0',
  'YOUR CLIENT ID SECRET HERE': TEST_SECRET,
  'YOUR CORS ORIGINS HERE': 'https://www.my-company.com,https://dashboard.my-company.com',
  'UPSTREAM VALUE HERE': 'https://api.my-company.com',
};
const KNOWN_VARIABLES = new Set([...Object.keys(DOMAIN_SETTINGS), ...Object.keys(PROCESS_SETTINGS), 'DOMAIN_MAP']);

const SOURCES: readonly [name: string, relay: string, read: () => Manifest[]][] = [
  ['reference', 'azure-mte-relay-deployment', () => reference(REFERENCE_VALUES)],
  ...(HAS_KUBECTL
    ? (['overlays/trial', 'overlays/aks', 'overlays/aks-gateway'] as const).map((overlay): (typeof SOURCES)[number] => [
        overlay,
        'mte-relay',
        () => render(overlay),
      ])
    : []),
];

describe.each(SOURCES)('%s', (name, relayName, read) => {
  let manifests: Manifest[];
  let relay: Manifest;
  let workloads: Manifest[];
  beforeAll(() => {
    manifests = read();
    relay = deployment(manifests, relayName);
    workloads = manifests.filter(({ kind }) => kind === 'Deployment');
  });

  const relayContainer = (): Container => containers(relay)[0] as Container;
  const relayEnvironment = (): Record<string, string> => environmentOf(relayContainer(), manifests);
  const podLabels = (workload: Manifest): Record<string, string> => workload['spec'].template.metadata.labels;

  test('is valid by the schemas of Kubernetes, and no field of it is unknown', async () => {
    expect(await schemaProblems(manifests)).toEqual([]);
  });

  test('names every object once', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test('pins every image to a version', () => {
    for (const workload of workloads) {
      for (const { image } of containers(workload)) expect(image).toMatch(/:(?!latest$)[\w.-]*\d[\w.-]*$/);
    }
  });

  test('runs every container without root, privilege or a writable root file system, and within limits', () => {
    for (const workload of workloads) {
      const pod = workload['spec'].template.spec;
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod.automountServiceAccountToken).toBe(false);
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod[field]).toBeUndefined();
      for (const { securityContext, resources } of containers(workload)) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(Object.keys(resources.limits).sort()).toEqual(['cpu', 'memory']);
        expect(Object.keys(resources.requests).sort()).toEqual(['cpu', 'memory']);
      }
    }
  });

  test('sets only variables that the relay knows', () => {
    const environment = relayEnvironment();
    expect(Object.keys(environment).length).toBeGreaterThan(2);
    for (const variable of Object.keys(environment)) {
      expect(KNOWN_VARIABLES).toContain(variable.replace(/_FILE$/, ''));
    }
  });

  test('mounts every secret that a variable names as a file', () => {
    const mounted = secretFiles(relay, manifests).flatMap(({ folder, files }) =>
      files.map((file) => `${folder}/${file}`),
    );
    expect(mounted.sort()).toEqual([...fileVariables(relayEnvironment()).keys()].sort());
    expect(Object.keys(relayEnvironment()).includes('CLIENT_ID_SECRET')).toBe(name === 'reference');
  });

  test('gives an environment that mte-relay-server check accepts', async () => {
    const folder = temporaryFiles();
    const environment = relayEnvironment();
    for (const [path, variable] of fileVariables(environment)) {
      const file = join(folder, path);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, SECRET_VALUES[variable] as string);
      environment[`${variable}_FILE`] = file;
    }
    expect(await runRelayCommand(['check'], environment)).toEqual({
      code: 0,
      stdout: 'configuration is valid\n',
      stderr: '',
    });
  });

  test('probes the admin port at the paths that it serves', () => {
    const { ports, livenessProbe, readinessProbe, startupProbe } = relayContainer();
    const byName = new Map((ports ?? []).map(({ name: port, containerPort }) => [port, containerPort]));
    const adminPort = Number(relayEnvironment()['ADMIN_PORT'] ?? 9090);
    for (const [probe, path] of [
      [livenessProbe, '/livez'],
      [readinessProbe, '/readyz'],
      ...(startupProbe ? ([[startupProbe, '/livez']] as const) : []),
    ]) {
      expect(probe.httpGet.path).toBe(path);
      expect(byName.get(probe.httpGet.port)).toBe(adminPort);
    }
    expect((ports ?? []).map(({ containerPort }) => containerPort)).toContain(
      Number(relayEnvironment()['PORT'] ?? 8080),
    );
  });

  test('gives a pod that ends as long as its drain and shutdown may take', () => {
    const { DRAIN_DELAY_MS = '5000', SHUTDOWN_TIMEOUT_MS = '25000' } = relayEnvironment();
    const needed = (Number(DRAIN_DELAY_MS) + Number(SHUTDOWN_TIMEOUT_MS)) / 1000;
    const given = relay['spec'].template.spec.terminationGracePeriodSeconds;
    expect(given).toBeGreaterThanOrEqual(needed + 5);
    expect(given).toBeLessThan(needed + 30);
  });

  test('every selector finds the pods it means', () => {
    const pods = workloads.map(podLabels);
    for (const workload of workloads) expect(podLabels(workload)).toMatchObject(workload['spec'].selector.matchLabels);
    const selectors = manifests.flatMap(({ kind, ['spec']: spec }) => {
      if (kind === 'Service') return [spec.selector];
      if (kind === 'PodDisruptionBudget') return [spec.selector.matchLabels];
      if (kind === 'NetworkPolicy') return [spec.podSelector.matchLabels];
      return [];
    });
    const spreads = workloads.flatMap(({ ['spec']: spec }) => spec.template.spec.topologySpreadConstraints ?? []);
    selectors.push(...spreads.map((constraint) => constraint.labelSelector.matchLabels));
    expect(selectors.length).toBeGreaterThan(0);
    for (const selector of selectors) {
      const found = pods.filter((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value));
      expect(found, JSON.stringify(selector)).toHaveLength(1);
    }
  });

  test('every service leads to a port that its pods have', () => {
    for (const service of manifests.filter(({ kind }) => kind === 'Service')) {
      const [label] = Object.entries(service['spec'].selector) as [[string, string]];
      const workload = workloads.find((candidate) => podLabels(candidate)[label[0]] === label[1]) as Manifest;
      const ports = containers(workload).flatMap((container) => container.ports ?? []);
      for (const { targetPort } of service['spec'].ports) {
        expect(ports.some((port) => port.name === targetPort || port.containerPort === targetPort)).toBe(true);
      }
    }
  });
});

describe.runIf(HAS_KUBECTL).each(['overlays/trial', 'overlays/aks', 'overlays/aks-gateway'])('%s', (overlay) => {
  let manifests: Manifest[];
  let relay: Manifest;
  beforeAll(() => {
    manifests = render(overlay);
    relay = deployment(manifests, 'mte-relay');
  });

  const one = (kind: string): Manifest => {
    const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === 'mte-relay');
    expect(found, kind).toHaveLength(1);
    return found[0] as Manifest;
  };

  test('puts everything into one namespace', () => {
    const inNamespace = manifests.filter(({ kind }) => kind !== 'Namespace');
    expect(new Set(inNamespace.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['mte-relay']));
  });

  test('rolls out without a moment of less capacity', () => {
    expect(relay['spec'].strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
    expect(relay['spec'].replicas).toBeUndefined(); // the autoscaler owns the number; an apply would undo it
  });

  test('scales what is there, and lets a node be emptied', () => {
    const { scaleTargetRef, minReplicas, maxReplicas } = one('HorizontalPodAutoscaler')['spec'];
    expect(scaleTargetRef).toEqual({ apiVersion: relay.apiVersion, kind: relay.kind, name: relay.metadata.name });
    expect(minReplicas).toBeGreaterThanOrEqual(2);
    expect(maxReplicas).toBeGreaterThan(minReplicas);
    expect(one('PodDisruptionBudget')['spec'].maxUnavailable).toBeLessThan(minReplicas);
  });

  test('runs under the service account that is there', () => {
    expect(relay['spec'].template.spec.serviceAccountName).toBe(one('ServiceAccount').metadata.name);
  });

  test('lets the relay reach its Redis and its upstream', () => {
    const environment = environmentOf(containers(relay)[0] as Container, manifests);
    const redis = environment['REDIS_URL'] ?? (SECRET_VALUES['REDIS_URL'] as string);
    const upstream = new URL(environment['UPSTREAM'] as string);
    const egress = manifests
      .filter(({ kind, ['spec']: spec }) => kind === 'NetworkPolicy' && spec.egress)
      .flatMap(({ ['spec']: spec }) => spec.egress.flatMap((rule: { ports: { port: number }[] }) => rule.ports));
    const allowed = egress.map(({ port }: { port: number }) => port);
    expect(allowed).toContain(Number(/:(\d+)$/.exec(redis)?.[1]));
    expect(allowed).toContain(podPortOf(upstream) ?? (Number(upstream.port) || 443));
  });

  /** A policy is of pods: it names the port behind a Service, not the Service's own. */
  function podPortOf({ hostname }: URL): number | undefined {
    const service = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name === hostname);
    const api = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === hostname);
    if (!service || !api) return undefined;
    const { targetPort } = service['spec'].ports[0];
    return containers(api)[0]?.ports?.find(({ name }) => name === targetPort)?.containerPort ?? targetPort;
  }

  test('holds no secret', () => {
    expect(manifests.map(({ kind }) => kind)).not.toContain('Secret');
    for (const map of manifests.filter(({ kind }) => kind === 'ConfigMap')) {
      for (const [variable, setting] of Object.entries({ ...DOMAIN_SETTINGS, ...PROCESS_SETTINGS })) {
        const value: string | undefined = map['data'][variable];
        if (setting.secret && value) expect([variable, value]).toEqual(['REDIS_URL', 'redis://mte-relay-redis:6379']);
      }
    }
  });
});

describe.runIf(HAS_KUBECTL)('overlays/aks alone', () => {
  let manifests: Manifest[];
  beforeAll(() => {
    manifests = render('overlays/aks');
  });

  test('identifies the pod to Key Vault by one managed identity', () => {
    const account = manifests.find(({ kind }) => kind === 'ServiceAccount');
    const provider = manifests.find(({ kind }) => kind === 'SecretProviderClass');
    const clientId = account?.metadata.annotations?.['azure.workload.identity/client-id'];
    expect(provider?.['spec'].parameters.clientID).toBe(clientId);
    const labels = deployment(manifests, 'mte-relay')['spec'].template.metadata.labels;
    expect(labels['azure.workload.identity/use']).toBe('true');
  });

  test('the gateway probes readiness, drains, ends TLS and may reach the admin port', () => {
    const ingress = manifests.find(({ kind }) => kind === 'Ingress') as Manifest;
    const annotation = (name: string): string | undefined =>
      ingress.metadata.annotations?.[`appgw.ingress.kubernetes.io/${name}`];
    expect([annotation('health-probe-path'), annotation('health-probe-port')]).toEqual(['/readyz', '9090']);
    expect([annotation('ssl-redirect'), annotation('connection-draining')]).toEqual(['true', 'true']);
    expect(annotation('appgw-ssl-certificate')).toBeTruthy();
    expect(Number(annotation('request-timeout')) * 1000).toBeGreaterThan(60_000); // UPSTREAM_HEADERS_TIMEOUT_MS
    const [{ backend }] = ingress['spec'].rules[0].http.paths;
    expect(manifests.some(({ kind, metadata }) => kind === 'Service' && metadata.name === backend.service.name)).toBe(
      true,
    );
  });
});

describe.runIf(HAS_KUBECTL)('overlays/aks-gateway alone', () => {
  let manifests: Manifest[];
  beforeAll(() => {
    manifests = render('overlays/aks-gateway');
  });
  const one = (kind: string, name = 'mte-relay'): Manifest =>
    manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name) as Manifest;

  test('has no Ingress, and for the rest what overlays/aks has', () => {
    const GATEWAY = /Gateway|HTTPRoute|Policy$|LoadBalancer|ConfigMap/;
    const rest = (all: Manifest[]): Manifest[] => all.filter(({ kind }) => !GATEWAY.test(kind));
    expect(manifests.map(({ kind }) => kind)).not.toContain('Ingress');
    // The hash in the name of the ConfigMap, whose content differs.
    const text = (all: Manifest[]): string => JSON.stringify(rest(all)).replace(/mte-relay-[0-9a-z]{10}\b/g, 'map');
    expect(text(manifests)).toBe(text(render('overlays/aks').filter(({ kind }) => kind !== 'Ingress')));
  });

  test('every reference leads to what is there, and every request on 443 to the relay', () => {
    const { annotations } = one('Gateway').metadata;
    const loadBalancer = one('ApplicationLoadBalancer', annotations?.['alb.networking.azure.io/alb-name']);
    expect(annotations?.['alb.networking.azure.io/alb-namespace']).toBe(loadBalancer.metadata.namespace);
    const listeners = one('Gateway')['spec'].listeners.map(({ name, port }: { name: string; port: number }) => [
      name,
      port,
    ]);
    expect(listeners).toEqual([
      ['http', 80],
      ['https', 443],
    ]);
    const [sealed, redirect] = [one('HTTPRoute')['spec'], one('HTTPRoute', 'mte-relay-to-https')['spec']];
    expect(sealed.parentRefs).toEqual([expect.objectContaining({ name: 'mte-relay', sectionName: 'https' })]);
    expect(redirect.parentRefs).toEqual([expect.objectContaining({ name: 'mte-relay', sectionName: 'http' })]);
    expect(redirect.hostnames).toEqual(sealed.hostnames);
    expect(redirect.rules).toEqual([{ filters: [expect.objectContaining({ type: 'RequestRedirect' })] }]);
    expect(sealed.rules).toHaveLength(1);
    expect(sealed.rules[0].matches).toEqual([{ path: { type: 'PathPrefix', value: '/' } }]);
    const [{ name, port }] = sealed.rules[0].backendRefs;
    expect(one('Service', name)['spec'].ports.map((served: { port: number }) => served.port)).toContain(port);
  });

  test('the gateway probes readiness on the admin port, is let in there, and bounds no exchange', () => {
    const { targetRef, default: probe } = one('HealthCheckPolicy')['spec'];
    expect(one(targetRef.kind, targetRef.name).metadata.namespace).toBe(targetRef.namespace);
    expect([probe.port, probe.http.path]).toEqual([9090, '/readyz']);
    expect(probe.http.match.statusCodes).toEqual([{ start: 200, end: 200 }]);
    const { DRAIN_DELAY_MS, TRUSTED_PROXIES } = environmentOf(
      containers(deployment(manifests, 'mte-relay'))[0] as Container,
      manifests,
    );
    const unhealthyAfterMs = probe.unhealthyThreshold * Number.parseInt(probe.interval, 10) * 1000;
    expect(Number(DRAIN_DELAY_MS)).toBeGreaterThan(2 * unhealthyAfterMs);
    expect(one('NetworkPolicy', 'mte-relay-gateway')['spec'].ingress).toEqual([
      { from: [{ ipBlock: { cidr: TRUSTED_PROXIES } }], ports: [{ port: 9090, protocol: 'TCP' }] },
    ]);
    expect(one('RoutePolicy')['spec']).toMatchObject({
      targetRef: { kind: 'HTTPRoute', name: 'mte-relay' },
      default: { timeouts: { routeTimeout: '0s' } },
    });
  });
});

const BROKEN: readonly [what: string, breakIt: (relay: Manifest) => void, says: RegExp][] = [
  [
    'a number in quotes',
    (relay) => Object.assign(relay['spec'], { minReadySeconds: '5' }),
    /minReadySeconds must be integer/,
  ],
  ['a selector that is missing', (relay) => Object.assign(relay['spec'], { selector: undefined }), /selector/],
  [
    'a field that does not exist',
    (relay) => Object.assign(containers(relay)[0] as Container, { livenessProb: {} }),
    /livenessProb.* does not exist in type 'IContainer'/,
  ],
  ['a kind that is in another group', (relay) => Object.assign(relay, { apiVersion: 'batch/v1' }), /Deployment/],
];

test.each(BROKEN)('the validator sees %s', async (_what, breakIt, says) => {
  const [relay] = reference(REFERENCE_VALUES) as [Manifest];
  breakIt(relay);
  expect((await schemaProblems([JSON.parse(JSON.stringify(relay)) as Manifest])).join('\n')).toMatch(says);
});

const BROKEN_CUSTOM: readonly [kind: string, breakIt: (manifest: Manifest) => void, says: RegExp][] = [
  [
    'SecretProviderClass',
    (provider) => Object.assign(provider['spec'].parameters, { keyVaultName: 'x' }),
    /additional prop/,
  ],
  ['HTTPRoute', (route) => Object.assign(route['spec'].rules[0], { backendRef: [] }), /backendRef.* does not exist/],
  ['Gateway', (gateway) => Object.assign(gateway['spec'].listeners[0], { port: '80' }), /port must be integer/],
  ['HealthCheckPolicy', (policy) => Object.assign(policy['spec'].default, { interval: 5 }), /interval must be string/],
  ['RoutePolicy', (policy) => Object.assign(policy['spec'].default, { timeout: '0s' }), /additional properties/],
  ['ApplicationLoadBalancer', (balancer) => Object.assign(balancer['spec'], { associations: [] }), /fewer than 1/],
];

test.runIf(HAS_KUBECTL).each(BROKEN_CUSTOM)('the validator sees a fault of %s', async (kind, breakIt, says) => {
  const manifest = render('overlays/aks-gateway').find((candidate) => candidate.kind === kind) as Manifest;
  breakIt(manifest);
  expect((await schemaProblems([manifest])).join('\n')).toMatch(says);
});
