// The way to Redis: accounts, TLS, a server that is unreachable, hangs, restarts or refuses.
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@mte-relay/testing/free-port';
import { REDIS_SERVER, RedisServer, startRedis, WITHOUT_PERSISTENCE } from '@mte-relay/testing/redis';
import { listen } from '@mte-relay/testing/servers';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { until } from '@mte-relay/testing/until';
import pino from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreUnavailableError } from '../../src/sessions/store.ts';
import { selfSigned } from '../support/certificate.ts';
import { created, openedStore, openStore } from '../support/redis-store.ts';

async function startedRedis(...args: string[]): Promise<RedisServer> {
  const redis = endsWithTest(await startRedis(...args));
  return redis;
}

describe.skipIf(REDIS_SERVER === undefined)('the connection to Redis (MTE_RELAY_REDIS_SERVER)', () => {
  const EITHER_WAY = [
    '~relay:*',
    '-@all',
    '+hmget',
    '+hset',
    '+pexpire',
    '+pexpireat',
    '+zadd',
    '+zcard',
    '+zremrangebyscore',
    '+del',
    '+time',
    '+select',
    '+ping',
  ];

  test.each([
    ['scripts that read INFO', ['+evalsha', '+eval', '+info']],
    ['functions', ['+evalsha', '+eval', '+fcall', '+function|load']],
  ])('an ACL user with the rights that the store needs, and no more, is enough: %s', async (_what, more) => {
    const redis = await startedRedis();
    await redis.command('ACL', 'SETUSER', 'relay', 'on', '>p@ss:word', 'resetchannels', ...EITHER_WAY, ...more);
    await redis.command('ACL', 'SETUSER', 'default', 'off');
    const url = `redis://relay:${encodeURIComponent('p@ss:word')}@127.0.0.1:${redis.port}/1`;
    const store = await openedStore(url, { keyPrefix: 'relay:' });
    const session = await created(store);
    expect(await store.find(session.sid)).toBeDefined();
    expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    expect(store.mayLoseClaims).toBe(false);
    const wrong = openStore(url.replace('word', 'ward'), { keyPrefix: 'relay:' });
    await sleep(300);
    expect(wrong.ready).toBe(false);
  });

  test('rediss is checked against REDIS_CA, and against nothing less', async () => {
    const pair = selfSigned();
    const folder = temporaryFiles({ 'key.pem': pair.key, 'cert.pem': pair.cert });
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const port = await freePort();
    const tls = ['--port', '0', '--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key];
    const args = [...tls, '--tls-ca-cert-file', cert, '--tls-auth-clients', 'no', ...WITHOUT_PERSISTENCE];
    const redis = endsWithTest(await new RedisServer(port, args, { tls: true }).start());
    const store = await openedStore(redis.url, { ca: pair.cert });
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
    const unchecked = openStore(redis.url);
    const plain = openStore(redis.url.replace('rediss:', 'redis:'));
    await sleep(700);
    expect([unchecked.ready, plain.ready]).toEqual([false, false]);
  });

  test('while no server listens every call fails at once, and the store reconnects by itself', async () => {
    const port = await freePort();
    const store = openStore(`redis://127.0.0.1:${port}`);
    const refusal = new StoreUnavailableError('Redis is not connected'); // which no time limit says
    await expect(store.birth()).rejects.toEqual(refusal);
    await expect(store.find(new Uint8Array(16))).rejects.toEqual(refusal);
    expect(store.ready).toBe(false);
    endsWithTest(await new RedisServer(port, WITHOUT_PERSISTENCE).start());
    await until(() => store.ready);
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
  });

  test('it closes at once, connected or about to be', async () => {
    const redis = await startedRedis();
    for (const waitMs of [0, 1, 2, 4, 8, 16, 200]) {
      const store = openStore(redis.url);
      await sleep(waitMs);
      const startedMs = performance.now();
      await store.close();
      expect(performance.now() - startedMs).toBeLessThan(10_000);
      await expect(store.birth()).rejects.toBeInstanceOf(StoreUnavailableError);
    }
  });

  test('a server that is killed makes the store unready at once, one that returns ready again', async () => {
    const redis = await startedRedis();
    const store = await openedStore(redis.url);
    const session = await created(store);
    await redis.kill();
    await until(() => !store.ready);
    await expect(store.claim(session, 0, 'exchange')).rejects.toBeInstanceOf(StoreUnavailableError);
    await redis.start();
    await until(() => store.ready);
    expect(await store.claim(session, 0, 'exchange')).toBe('gone'); // it kept nothing
    expect(await store.claim(await created(store), 0, 'exchange')).toBe('fresh');
  });

  test('a server that hangs costs the timeout per call and then its connection', async () => {
    const redis = await startedRedis();
    const store = await openedStore(redis.url, { timeoutMs: 200 });
    const session = await created(store);
    redis.freeze(true);
    await expect(store.claim(session, 0, 'exchange')).rejects.toThrow('timed out after 200 ms');
    await until(() => !store.ready, 3_000);
    await sleep(500);
    const laterMs = performance.now();
    await expect(store.claim(session, 1, 'exchange')).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(performance.now() - laterMs).toBeLessThan(10_000); // not for as long as it hangs
    redis.freeze(false);
    await until(() => store.ready);
    expect(await store.claim(session, 2, 'exchange')).toBe('fresh');
  });

  test('a sentinel that hangs is passed over, also where it asks for a password', async () => {
    const redis = await startedRedis();
    let asked = 0;
    const listening = async (onData: (socket: Socket, text: string) => void): Promise<number> => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (bytes) => onData(socket, String(bytes)));
        onTestFinished(() => void socket.destroy());
      });
      onTestFinished(() => void server.close());
      return listen(server);
    };
    const hanging = await listening(() => {
      asked += 1;
    });
    const responding = await listening((socket, text) => {
      const port = String(redis.port);
      if (text.includes('AUTH')) socket.write('+OK\r\n');
      if (text.includes('SENTINEL')) socket.write(`*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`);
    });
    const sentinels = `127.0.0.1:${hanging},127.0.0.1:${responding}`;
    await openedStore(`redis+sentinel://${sentinels}/main?sentinelPassword=x`, { timeoutMs: 300 });
    // So it is whenever they are asked who the master is.
    const once = asked;
    await until(() => asked > once + 1);
  });

  test('the store refuses at once more commands than may wait for a response', async () => {
    const redis = await startedRedis();
    const store = await openedStore(redis.url, { timeoutMs: 25_000 });
    const session = await created(store);
    redis.freeze(true);
    const claims = Array.from({ length: 20_000 }, (_, n) => store.claim(session, n, 'exchange'));
    const settled = Promise.all(claims);
    await expect(store.claim(session, 20_000, 'exchange')).rejects.toThrow('overloaded');
    redis.freeze(false);
    expect(new Set(await settled)).toEqual(new Set(['fresh']));
  });

  test('a server that is out of memory refuses pairings as unavailable', async () => {
    const redis = await startedRedis('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    const store = openStore(redis.url);
    await sleep(300);
    expect(store.ready).toBe(false);
    await expect(store.birth()).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  test.each([
    ['has no memory left', 'maxmemory', '1', '0', 'OOM'],
    ['has too few replicas', 'min-replicas-to-write', '1', '0', 'NOREPLICAS'],
  ])(
    'a server that %s is not ready, since nothing can be claimed, and reports why',
    async (_what, name, bad, good, why) => {
      const redis = await startedRedis();
      const lines: string[] = [];
      const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
      const store = await openedStore(redis.url, { log });
      const session = await created(store);
      await redis.command('CONFIG', 'SET', name, bad);
      await expect(store.claim(session, 0, 'exchange')).rejects.toBeInstanceOf(StoreUnavailableError);
      await until(() => !store.ready, 10_000);
      expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ ready: false, cause: expect.stringContaining(why) });
      await redis.command('CONFIG', 'SET', name, good);
      await until(() => store.ready, 10_000);
      expect(await store.claim(session, 0, 'exchange')).toBe('fresh');
    },
  );

  test('the store reports once why Redis is unreachable, and again when the reason changes', async () => {
    const port = await freePort();
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const store = openStore(`redis://:wrong@localhost:${port}`, { log });
    const causes = (): string[] =>
      lines.map((line) => JSON.parse(line) as { cause?: string }).flatMap(({ cause }) => cause ?? []);
    await until(() => causes().length > 0);
    await sleep(500); // several tries
    expect(causes()).toEqual([expect.stringContaining('ECONNREFUSED')]);
    const args = [...WITHOUT_PERSISTENCE, '--requirepass', 'right'];
    endsWithTest(await new RedisServer(port, args).start());
    await until(() => causes().length > 1);
    await sleep(500);
    expect(causes()[1]).toContain('WRONGPASS');
    expect(causes()).toHaveLength(2);
    expect(store.ready).toBe(false);
  });

  test('no line of the log holds the password', async () => {
    const redis = await startedRedis('--requirepass', 'hunter2secret');
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const url = redis.url.replace('//', '//:hunter2secret@');
    const store = await openedStore(url, { log });
    await created(store);
    const refused = openStore(redis.url.replace('//', '//:hunter3secret@'), { log });
    await until(() => lines.some((line) => line.includes('cannot be reached')));
    await redis.kill();
    await until(() => !store.ready && !refused.ready);
    await sleep(200);
    expect(lines.join('')).toContain(`redis://127.0.0.1:${redis.port}`);
    expect(lines.join('')).not.toMatch(/hunter[23]secret/);
  });
});
