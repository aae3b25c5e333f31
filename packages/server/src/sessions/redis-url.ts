// REDIS_URL in its forms:
//   redis://[user:password@]host[:6379][/db]                    one server; rediss:// for TLS, here and below
//   redis+cluster://[user:password@]host[:port][,host[:port]…]  a cluster by some of its nodes; redis://a,b is the same
//   redis+sentinel://[user:password@]host[:26379][,…]/master[/db][?sentinelUsername=…&sentinelPassword=…]
// An IPv6 address stands in brackets; user and password are percent-encoded.

/** A parsed REDIS_URL. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  readonly tls: boolean;
  /** Servers, nodes of the cluster, or sentinels; at least one. */
  readonly nodes: readonly RedisNode[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** Of the sentinels' group; undefined unless kind is sentinel. */
  readonly masterName: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Completes "expected …". */
export const REDIS_URL_EXPECTED: string =
  'redis://[user:password@]host[:port][/db], redis+cluster://host[:port][,host[:port]], or ' +
  'redis+sentinel://host[:port][,host[:port]]/master-name; rediss… for TLS';

const URL_FORM = /^(redis|rediss)(?:\+(cluster|sentinel))?:\/\/(?:([^@/]*)@)?([^/?@]+)(\/[^?]*)?(?:\?(.*))?$/;
const NODE_FORM = /^(?:rediss?:\/\/)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/** Parses a REDIS_URL; undefined if it is malformed. */
export function parseRedisUrl(text: string): RedisTarget | undefined {
  // In a list every item may repeat the scheme.
  const joined = text.replace(/,\s*rediss?:\/\//g, ',').replace(/,\s+/g, ',');
  const match = URL_FORM.exec(joined);
  if (!match) return undefined;
  const [, scheme, form, userinfo = '', list = '', path = '', query = ''] = match;
  const kind = form === undefined ? (list.includes(',') ? 'cluster' : 'single') : (form as 'cluster' | 'sentinel');
  const nodes = list.split(',').map((node) => parseNode(node, kind === 'sentinel' ? 26_379 : 6_379));
  const place = parsePath(kind, path);
  const account = parseUserinfo(userinfo);
  const sentinels = parseSentinelAccount(kind, query);
  if (nodes.includes(undefined) || !place || !account || !sentinels) return undefined;
  return { kind, tls: scheme === 'rediss', nodes: nodes as RedisNode[], ...account, ...place, ...sentinels };
}

/** The target for logs, without user and password. */
export function describeTarget({ kind, tls, nodes, masterName }: RedisTarget): string {
  const where = nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  return `${tls ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}://${where}${masterName ? `/${masterName}` : ''}`;
}

function parseNode(text: string, defaultPort: number): RedisNode | undefined {
  const match = NODE_FORM.exec(text);
  const port = Number(match?.[2] ?? defaultPort);
  return match && port >= 1 && port <= 65_535
    ? { host: (match[1] as string).replace(/^\[|\]$/g, ''), port }
    : undefined;
}

function parsePath(
  kind: RedisTarget['kind'],
  path: string,
): { database: number; masterName: string | undefined } | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const masterName = kind === 'sentinel' ? decoded(parts.shift() ?? '') : undefined;
  if (kind === 'sentinel' && !masterName) return undefined;
  const [database = '0', ...rest] = parts;
  // A cluster has one database.
  if (rest.length > 0 || !/^\d{1,4}$/.test(database) || (kind === 'cluster' && database !== '0')) return undefined;
  return { database: Number(database), masterName };
}

function parseUserinfo(userinfo: string): { username: string | undefined; password: string | undefined } | undefined {
  const colonAt = userinfo.indexOf(':');
  const username = decoded(colonAt < 0 ? userinfo : userinfo.slice(0, colonAt));
  const password = colonAt < 0 ? '' : decoded(userinfo.slice(colonAt + 1));
  if (username === undefined || password === undefined) return undefined;
  return { username: username || undefined, password: password || undefined };
}

function parseSentinelAccount(
  kind: RedisTarget['kind'],
  query: string,
): { sentinelUsername: string | undefined; sentinelPassword: string | undefined } | undefined {
  const parameters = new URLSearchParams(query);
  const known = kind === 'sentinel' ? ['sentinelUsername', 'sentinelPassword'] : [];
  if ([...parameters.keys()].some((name) => !known.includes(name))) return undefined;
  return {
    sentinelUsername: parameters.get('sentinelUsername') ?? undefined,
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
