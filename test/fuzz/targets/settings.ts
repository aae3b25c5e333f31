// What operators and users write: settings, DOMAIN_MAP, REDIS_URL, options of the commands. A mistake must be named, and
// nothing that is secret may be shown.
import { doctorOptions } from '../../../packages/cli/src/doctor/options.ts';
import { egressOptions } from '../../../packages/cli/src/egress/options.ts';
import { readDomainMap } from '../../../packages/server/src/config/domain-map.ts';
import { DOMAIN_SETTINGS } from '../../../packages/server/src/config/domain-settings.ts';
import { parseTable } from '../../../packages/server/src/config/parse.ts';
import { type ConfigProblem, withoutCredentials } from '../../../packages/server/src/config/problems.ts';
import { PROCESS_SETTINGS } from '../../../packages/server/src/config/process-settings.ts';
import type { DomainSettings, ProcessSettings } from '../../../packages/server/src/config/settings.ts';
import { describeTarget, parseRedisUrl } from '../../../packages/server/src/sessions/redis-url.ts';
import { Broken, holds, latin1, type Target, texts } from '../engine/target.ts';

const redisUrl: Target = {
  name: 'redis url',
  corpus: texts(
    'redis://localhost',
    'rediss://user:pass%40word@redis:6380/2',
    'redis+cluster://a:1,b:2,[::1]:3',
    'redis+sentinel://u:p@s1,s2:26380/master/1?sentinelUsername=a&sentinelPassword=b',
    'redis://a, redis://b',
  ),
  dictionary: texts(
    'redis://',
    'rediss+cluster://',
    ',',
    '@',
    ':',
    '/',
    '?',
    '%',
    '%zz',
    '[::1]',
    '65536',
    'sentinelPassword=',
  ),
  maxBytes: 600,
  check(input) {
    const target = parseRedisUrl(latin1(input));
    if (!target) return 'refused';
    holds(target.nodes.length > 0 && target.nodes.every(({ port }) => port >= 1 && port <= 65_535), 'ports are ports');
    const shown = describeTarget({ ...target, password: 'PASSWORD', username: 'USER' });
    holds(!/PASSWORD|USER/.test(shown), 'a description shows no credentials');
    return `${target.kind} ${target.tls} ${target.password !== undefined}`;
  },
};

const TABLE = { ...DOMAIN_SETTINGS, ...PROCESS_SETTINGS };
const NAMES = Object.keys(TABLE) as (keyof typeof TABLE)[];

const setting: Target = {
  name: 'settings',
  corpus: [
    ...texts(
      '8080',
      'on',
      'http://localhost:3000',
      'https://a.example,https://b.example',
      '/api/*,/x',
      '{"x-a":"b"}',
      'info',
      '10.0.0.0/8',
      '2DkV4DDabehO8cifDktdF9elKJL0CKrk',
      'a=b,c=%20',
      '0.5',
      'redis://a',
    ),
    ...texts(
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
      '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----',
    ),
  ],
  dictionary: texts(
    ',',
    '*',
    '/',
    '{"',
    '":"',
    '"}',
    '-----BEGIN CERTIFICATE-----',
    'http://',
    '%',
    '1e309',
    '-1',
    ' ',
    '\0',
    '__proto__',
    '\xe9',
  ),
  maxBytes: 2500,
  check(input, choices) {
    const text = latin1(input);
    const name = choices.pick(NAMES);
    const problems: ConfigProblem[] = [];
    const values = parseTable<DomainSettings & ProcessSettings>(
      { [name]: TABLE[name] } as never,
      { [name]: text },
      problems,
    );
    if (problems.length === 0) return `${name} is valid`;
    holds(values[name] === undefined, 'a refused setting has no value');
    for (const { seen, expected } of problems) {
      holds(expected.length > 0 && seen.length < 1000, 'a problem is named, shortly');
      if (TABLE[name].secret === true && text.length > 20) holds(!seen.includes(text), 'a secret is not shown');
    }
    return `${name} is refused`;
  },
};

const credentials: Target = {
  name: 'urls without credentials',
  corpus: texts(
    'http://user:SECRETX@host/a',
    'redis://:SECRETX@h',
    'user:SECRETX@host',
    'https:/\\u:SECRETX@h',
    '//SECRETX@h',
  ),
  dictionary: texts('@', '/', '\\', ':', 'SECRETX', '?', '#', '\n'),
  maxBytes: 600,
  check(input) {
    const text = latin1(input);
    const shown = withoutCredentials(text);
    const url = URL.parse(text);
    const elsewhere = url ? url.protocol + url.host + url.pathname + url.search + url.hash : text;
    if (url && /SECRETX/.test(url.username + url.password) && !/secretx/i.test(elsewhere)) {
      holds(!shown.includes('SECRETX'), 'no credentials are shown');
    }
    return `${shown === text} ${url === null}`;
  },
};

const domainMap: Target = {
  name: 'domain map',
  corpus: texts(
    '{"api.example.com": {"upstream": "http://api:3000"}}',
    '{"[::1]:80": {"cors_origins": ["a"], "headers": {"x-a": "b"}}}',
    '{}',
    '[]',
    '{"a": null}',
    '{"a":{"upstream":null},"A":{}}',
    '{"https://x": {}}',
    '{"a": {"client_id_secret": 12345}}',
  ),
  dictionary: texts(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    'null',
    '"upstream"',
    '"__proto__"',
    '1e400',
    '"constructor"',
    '"toString"',
  ),
  maxBytes: 1500,
  check(input) {
    const text = latin1(input);
    if (/_file/i.test(text)) return 'names a file';
    const problems: ConfigProblem[] = [];
    const entries = readDomainMap(text, problems);
    for (const { host, variables } of entries) {
      holds(URL.canParse(`http://${host}`), 'a host is a host');
      for (const [name, value] of Object.entries(variables)) {
        holds(name in DOMAIN_SETTINGS && typeof value === 'string', 'a variable is a setting');
      }
    }
    return `${Math.min(entries.length, 3)} ${Math.min(problems.length, 4)}`;
  },
};

/** Arguments are words between spaces. */
function usageOf(parse: (args: readonly string[]) => unknown, text: string): string {
  try {
    return parse(text.split(' ')) === undefined ? 'help' : 'accepted';
  } catch (error) {
    if ((error as Error).constructor.name === 'UsageError') return 'refused';
    throw new Broken(`threw ${error}`, { cause: error });
  }
}

const options: Target = {
  name: 'options of commands',
  corpus: texts(
    '--relay https://r.example --pin x --listen 127.0.0.1:0',
    '--relay r --allow-host a:80 --allow-origin http://localhost:3000',
    'https://r.example --calls 5 --json',
    'http://r --pin sha256-AAAA --path /a --timeout 1',
    '--help',
    '--listen [::1]:65536',
    '--max-concurrent 0',
  ),
  dictionary: texts(
    ' --relay ',
    ' --pin=',
    ' --listen ',
    ' -- ',
    ' -',
    ':',
    '[',
    ']',
    '99999',
    '--allow-host ',
    ' --calls ',
    '=',
    '--no-json',
    '--upload-mb ',
  ),
  maxBytes: 400,
  check(input) {
    const text = latin1(input);
    const egress = usageOf((args) => egressOptions(args, { MTE_RELAY_MAX_CONCURRENT: '' }), text);
    const fromVariables = usageOf(
      (args) => egressOptions([], { MTE_RELAY_URL: 'x', MTE_RELAY_LISTEN: args[0], MTE_RELAY_ALLOW_HOSTS: args[1] }),
      text,
    );
    return `${egress} ${fromVariables} ${usageOf(doctorOptions, text)}`;
  },
};

export const SETTINGS_TARGETS: readonly Target[] = [redisUrl, setting, credentials, domainMap, options];
