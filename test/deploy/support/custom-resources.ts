// Kinds that are neither Kubernetes' nor its Gateway API's, and whose definitions no package here holds: our own schemas of the
// fields that we use, after their published descriptions (Secrets Store CSI driver v1; Application Gateway for Containers,
// API specification of alb.networking.azure.io/v1). They refuse every other field, so a new one is looked up first.

const text = { type: 'string', minLength: 1 };
const count = { type: 'integer', minimum: 1 };
const duration = { type: 'string', pattern: '^\\d+(?:ms|s|m|h)$' };
const port = { type: 'integer', minimum: 1, maximum: 65_535 };
const status = { type: 'integer', minimum: 100, maximum: 599 };

/** An object of these fields and no other. */
function object(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', required, additionalProperties: false, properties };
}

function resource(apiVersion: string, kind: string, spec: object): object {
  const metadata = { type: 'object', required: ['name'] };
  return object({ apiVersion: { const: apiVersion }, kind: { const: kind }, metadata, spec }, [
    'apiVersion',
    'kind',
    'metadata',
    'spec',
  ]);
}

/** The content of a policy of Application Gateway for Containers, and its target. */
function policy(kind: string, target: { readonly group: string; readonly kind: string }, config: object): object {
  const targetRef = object(
    { group: { const: target.group }, kind: { const: target.kind }, name: text, namespace: text },
    ['group', 'kind', 'name'],
  );
  return resource(ALB, kind, object({ targetRef, default: config, override: config }, ['targetRef']));
}

const ALB = 'alb.networking.azure.io/v1';
const healthCheck = object({
  interval: duration,
  timeout: duration,
  healthyThreshold: count,
  unhealthyThreshold: count,
  port,
  protocol: { enum: ['HTTP', 'HTTPS', 'TCP'] },
  http: object({
    host: text,
    path: { type: 'string', pattern: '^/' },
    match: object({ body: text, statusCodes: { type: 'array', items: object({ start: status, end: status }) } }),
  }),
});

/** JSON Schema by kind. */
export const CUSTOM_RESOURCES: Readonly<Record<string, object>> = {
  SecretProviderClass: resource(
    'secrets-store.csi.x-k8s.io/v1',
    'SecretProviderClass',
    object(
      {
        provider: { const: 'azure' },
        parameters: object(
          { usePodIdentity: text, clientID: text, tenantId: text, keyvaultName: text, cloudName: text, objects: text },
          ['keyvaultName', 'tenantId', 'objects'],
        ),
      },
      ['provider', 'parameters'],
    ),
  ),
  ApplicationLoadBalancer: resource(
    ALB,
    'ApplicationLoadBalancer',
    object({ associations: { type: 'array', items: text, minItems: 1, maxItems: 1 } }, ['associations']),
  ),
  HealthCheckPolicy: policy('HealthCheckPolicy', { group: '', kind: 'Service' }, healthCheck),
  RoutePolicy: policy(
    'RoutePolicy',
    { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' },
    object({ timeouts: object({ routeTimeout: duration }) }),
  ),
};
