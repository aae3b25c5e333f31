import { TEST_SECRET } from '@mte-relay/testing/settings';
import { expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { describeTarget, parseRedisUrl } from '../../src/sessions/redis-url.ts';

const NONE = { username: undefined, password: undefined, database: 0, masterName: undefined };
const NO_SENTINEL_ACCOUNT = { sentinelUsername: undefined, sentinelPassword: undefined };

test.each([
  ['redis://10.0.1.230:6379', { kind: 'single', tls: false, nodes: [{ host: '10.0.1.230', port: 6379 }] }],
  ['redis://cache', { kind: 'single', tls: false, nodes: [{ host: 'cache', port: 6379 }] }],
  ['redis://[fd00::1]:7000/3', { kind: 'single', tls: false, nodes: [{ host: 'fd00::1', port: 7000 }], database: 3 }],
  [
    'rediss://app:p%40ss%2Fw%3Ard@cache.example:6380/2',
    {
      kind: 'single',
      tls: true,
      nodes: [{ host: 'cache.example', port: 6380 }],
      username: 'app',
      password: 'p@ss/w:rd',
      database: 2,
    },
  ],
  ['redis://:only@cache', { kind: 'single', tls: false, nodes: [{ host: 'cache', port: 6379 }], password: 'only' }],
  [
    'rediss+cluster://:key@name.region.redis.azure.net:10000',
    { kind: 'cluster', tls: true, nodes: [{ host: 'name.region.redis.azure.net', port: 10_000 }], password: 'key' },
  ],
  [
    'redis://a:1,b:2,c',
    {
      kind: 'cluster',
      tls: false,
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 6379 },
      ],
    },
  ],
  [
    'redis://u:p@a:1,redis://b:2',
    {
      kind: 'cluster',
      tls: false,
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      username: 'u',
      password: 'p',
    },
  ],
  [
    'rediss+sentinel://u:p@s1,s2:5000/main/1?sentinelPassword=q%26r',
    {
      kind: 'sentinel',
      tls: true,
      nodes: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 5_000 },
      ],
      username: 'u',
      password: 'p',
      database: 1,
      masterName: 'main',
      sentinelPassword: 'q&r',
    },
  ],
])('%s is understood', (url, expected) => {
  expect(parseRedisUrl(url)).toEqual({ ...NONE, ...NO_SENTINEL_ACCOUNT, ...expected });
});

test.each([
  'http://cache',
  'cache:6379',
  'redis://',
  'redis://cache:0',
  'redis://cache:65536',
  'redis://cache/abc',
  'redis://cache/1/2',
  'redis://a,b/1',
  'redis://u:%zz@cache',
  'redis://cache?password=x',
  'redis+sentinel://s1:26379',
  'redis+sentinel://s1/main?other=1',
  'redis+cluster://a,,b',
  'name.redis.cache.windows.net:6380,password=secret,ssl=True',
])('%s is refused', (url) => {
  expect(parseRedisUrl(url)).toBeUndefined();
});

test('a wrong REDIS_URL is refused with its forms and without its password', () => {
  const environment = {
    UPSTREAM: 'http://api.local',
    CORS_ORIGINS: 'https://app.example',
    CLIENT_ID_SECRET: TEST_SECRET,
    REDIS_URL: 'redis://user:hunter2@cache:notaport',
  };
  let message = '';
  try {
    loadSettings(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    message = (error as Error).message;
  }
  expect(message).toContain('REDIS_URL');
  expect(message).toContain('redis+sentinel://');
  expect(message).not.toContain('hunter2');
});

test('a target is described without user and password', () => {
  const target = parseRedisUrl('rediss+sentinel://user:hunter2@s1,s2/main?sentinelPassword=hunter3');
  expect(describeTarget(target as NonNullable<typeof target>)).toBe('rediss+sentinel://s1:26379,s2:26379/main');
});

test('a key prefix with braces, which would decide the hash slot, is refused', () => {
  expect(() =>
    loadSettings({
      UPSTREAM: 'http://api.local',
      CORS_ORIGINS: 'https://app.example',
      CLIENT_ID_SECRET: TEST_SECRET,
      REDIS_KEY_PREFIX: 'a{b}:',
    }),
  ).toThrow(/REDIS_KEY_PREFIX/);
});
