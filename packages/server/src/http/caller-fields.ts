// Names of request fields by which proxies, gateways and platforms name the caller of a request to the service behind them:
// its certificate, user, address, and the host or path that it asked for. A backend believes them, so no client may send
// them. Collected from the documents of each product. Kept by purpose; a name that ends with "*" stands for its beginning.

import { FIELD_NAME_DECIDED_CHARACTERS, FIELD_NAMES_DECIDED_MAX } from '../limits/fixed.ts';

/** Names in lower case with "-" for "_", by what they claim. */
export const CALLER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'forwarding proxies': [
    'x-forwarded-*', // for, proto, host; user, email, groups, client-cert, tls-client-cert, prefix, server, ssl …
    'x-forwarded',
    'forwarded-for',
    'x-original-forwarded-for', // ingress-nginx
    'x-real-ip', // nginx, Traefik
    'x-scheme',
    'x-url-scheme',
    'front-end-https',
    'x-arr-ssl', // Azure App Service, IIS
    'x-appservice-proto',
  ],
  'client certificates': [
    'client-cert', // RFC 9440
    'client-cert-chain',
    'ssl-client-*', // ingress-nginx; Apache's SSL_CLIENT_S_DN and the like
    'x-ssl-*', // HAProxy
    'x-client-cert*', // Google Cloud, nginx
    'x-client-dn',
    'x-client-s-dn',
    'x-client-i-dn',
    'x-client-verify',
    'x-client-serial',
    'x-client-fingerprint',
    'x-tls-client-*',
    'x-subject-dn',
    'x-arr-clientcert', // Azure App Service, IIS
    'x-amzn-mtls-*', // AWS Application Load Balancer
    'cf-client-*', // Cloudflare
    'wl-proxy-client-*', // Oracle WebLogic
    'wl-proxy-ssl',
    'x-wl-proxy-client-*',
    '$ws*', // IBM WebSphere
  ],
  'authenticated users': [
    'remote-*', // Authelia; CGI's REMOTE_USER and REMOTE_ADDR
    'x-remote-*', // Kubernetes API aggregation, Apache
    'x-auth-request-*', // oauth2-proxy
    'x-auth-user',
    'x-auth-username',
    'x-auth-userid',
    'x-auth-email',
    'x-auth-groups',
    'x-auth-roles',
    'x-auth-subject',
    'x-authenticated-*', // Kong
    'x-consumer-*', // Kong, APISIX
    'x-credential-identifier',
    'x-anonymous-consumer',
    'x-userinfo',
    'x-webauth-*', // Grafana's proxy authentication
    'x-authentik-*',
    'x-pomerium-*',
    'x-vouch-*',
    'x-ms-client-principal*', // Azure App Service, Static Web Apps
    'x-ms-token-*',
    'x-ms-auth-*',
    'x-amzn-oidc-*', // AWS Application Load Balancer
    'x-amzn-lattice-*', // AWS VPC Lattice
    'x-amzn-request-context', // AWS Lambda Web Adapter
    'x-amzn-lambda-context',
    'x-goog-authenticated-user-*', // Google Identity-Aware Proxy
    'x-goog-iap-*',
    'x-serverless-authorization',
    'cf-access-*', // Cloudflare Access
    'teleport-jwt-assertion',
    'tailscale-*',
    'oidc-*', // mod_auth_openidc
    'mellon-*', // mod_auth_mellon
    'shib-*', // Shibboleth
    'cas-*', // mod_auth_cas
    'iv-user*', // IBM Security Verify Access
    'iv-groups',
    'iv-creds',
    'iv-remote-address*',
    'sm-user*', // SiteMinder
    'sm-universalid',
    'sm-authtype',
    'sm-authdirname',
    'sm-serversessionid',
    'oam-*', // Oracle Access Manager
  ],
  'client addresses and places': [
    'client-ip',
    'x-client-ip',
    'x-clientip',
    'x-client-port',
    'x-client-geo-*', // Google Cloud
    'x-user-ip',
    'x-true-ip',
    'x-true-client-ip',
    'true-client-ip', // Akamai, Cloudflare
    'cluster-client-ip',
    'x-cluster-client-ip',
    'x-originating-ip',
    'x-original-remote-addr',
    'x-proxyuser-ip',
    'proxy-client-ip',
    'cf-connecting-*', // Cloudflare
    'cf-pseudo-ipv4',
    'cf-ip*',
    'cf-visitor',
    'cf-worker',
    'x-azure-clientip', // Azure Front Door
    'x-azure-socketip',
    'x-azure-fdid',
    'x-azure-requestchain',
    'x-fd-*',
    'cloudfront-*', // Amazon CloudFront
    'fastly-client*',
    'fastly-ssl',
    'fly-client-ip',
    'fly-forwarded-*',
    'x-appengine-*', // Google App Engine
    'x-cloudscheduler*',
    'x-cloudtasks-*',
    'x-envoy-*', // Envoy, Istio
    'akamai-*',
    'x-akamai-*',
    'x-nf-client-connection-ip', // Netlify
    'x-vercel-ip-*',
    'x-vercel-forwarded-for',
    'x-vercel-proxied-for',
    'do-connecting-ip', // DigitalOcean
    'incap-client-ip', // Imperva
    'x-sucuri-clientip',
    'ali-cdn-real-ip',
    'cdn-src-ip',
    'cdn-real-ip',
    'eo-client-*', // Tencent EdgeOne
    'eo-connecting-ip',
  ],
  'hosts and paths that were asked for': [
    'x-host',
    'x-original-host', // Azure Application Gateway
    'x-original-uri', // ingress-nginx
    'x-original-method',
    'x-original-path',
    'x-http-host-override',
    'x-rewrite-uri',
    'x-waws-unencoded-url', // Azure App Service
    'disguised-host',
    'was-default-hostname',
    'x-cf-forwarded-url', // Cloud Foundry
    'x-sendfile-type', // Rack: which files the proxy may be told to send
    'x-accel-mapping',
  ],
};

const NAMES = Object.values(CALLER_FIELDS).flat();
const EXACT: ReadonlySet<string> = new Set(NAMES.filter((name) => !name.endsWith('*')));
const BEGINNINGS = NAMES.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1).replaceAll('$', '\\$'));
const BEGINNING = new RegExp(`^(?:${BEGINNINGS.join('|')})`);

/** Decisions on names that requests have had, since most requests have the same ones. */
const DECIDED = new Map<string, boolean>();

/** True for a field that names a caller. @param plain by {@link plainName}. */
export function namesACaller(plain: string): boolean {
  const decided = DECIDED.get(plain);
  if (decided !== undefined) return decided;
  const isCallers = EXACT.has(plain) || BEGINNING.test(plain);
  if (DECIDED.size < FIELD_NAMES_DECIDED_MAX && plain.length <= FIELD_NAME_DECIDED_CHARACTERS)
    DECIDED.set(plain, isCallers);
  return isCallers;
}

/** A name as it is compared: many servers read `X_Forwarded_For` as `X-Forwarded-For`. @param name in lower case. */
export function plainName(name: string): string {
  return name.includes('_') ? name.replaceAll('_', '-') : name;
}
