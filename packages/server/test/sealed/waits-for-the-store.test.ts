// Exchanges whose session store responds later, or not at all: reading pauses, nothing runs before the claim, and
// nothing is left behind by a client that does not wait.
import { randomBytes } from 'node:crypto';
import { Agent, type ClientRequest, request } from 'node:http';
import { CONTENT_TYPE_MESSAGE, encodeRequestStart, MESSAGE_TYPE_EXCHANGE, SealedExchange } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import {
  type ClaimPurpose,
  MemorySessionStore,
  type NewSession,
  type Session,
  type SessionStore,
  type StoreBirth,
  type StoreClaim,
  StoreUnavailableError,
} from '@mte-relay/server';
import { plaintextOf, SealedClient, withSentTime } from '@mte-relay/testing/sealed-client';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const suite = nodeSuite();

/** A store in memory that responds later, and that can be unreachable. */
class SlowStore implements SessionStore {
  readonly #memory = new MemorySessionStore({ sessionsMax: 100, soleInstance: true });
  delayMs = 30;
  down = false;
  claims = 0;

  get ready(): boolean {
    return !this.down;
  }

  async #later<T>(work: () => T): Promise<T> {
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (this.down) throw new StoreUnavailableError('it is down');
    return work();
  }

  birth(): Promise<StoreBirth> {
    return this.#later(() => this.#memory.birth());
  }

  create(session: NewSession): Promise<void> {
    return this.#later(() => this.#memory.create(session));
  }

  find(sid: Session['sid']): Promise<Session | undefined> {
    return this.#later(() => this.#memory.find(sid));
  }

  claim(session: Session, n: number, purpose: ClaimPurpose): Promise<StoreClaim> {
    this.claims += 1;
    return this.#later(() => this.#memory.claim(session as never, n, purpose));
  }

  close(): void {
    this.#memory.close();
  }
}

test('many exchanges at once each get their own response, and each number is claimed once', async () => {
  const sessions = new SlowStore();
  const { port, seen } = await stage(undefined, { sessions });
  const client = await SealedClient.pair(port);
  const responses = await Promise.all(
    Array.from({ length: 150 }, (_, i) => client.fetch({ method: 'POST', path: `/${i}`, body: `body ${i}` })),
  );
  for (const [i, response] of responses.entries()) {
    expect(JSON.parse(response.text)).toMatchObject({ url: `/${i}`, body: `body ${i}` });
  }
  expect(seen).toHaveLength(150);
  expect(sessions.claims).toBe(150);
});

test('an upload that goes on while the store is asked arrives whole', async () => {
  const received: Buffer[] = [];
  const { port } = await stage(
    (req, res) => {
      req.on('data', (part: Buffer) => received.push(part));
      req.on('end', () => res.end('done'));
    },
    { sessions: new SlowStore() },
  );
  const client = await SealedClient.pair(port);
  const body = new Uint8Array(randomBytes(3_000_000));
  const exchange = await SealedExchange.begin(suite, client.keys, MESSAGE_TYPE_EXCHANGE, 0);
  const plaintext = plaintextOf({ method: 'POST', path: '/up', body });
  const chunks: Uint8Array[] = [exchange.header];
  let at = 0;
  for (; at + 65_536 < plaintext.length; at += 65_536) {
    chunks.push(await exchange.seal(plaintext.subarray(at, at + 65_536)));
  }
  chunks.push(await exchange.sealFinal(plaintext.subarray(at)));
  const response = await client.post(new Uint8Array(Buffer.concat(chunks)));
  expect(response.status).toBe(200);
  expect(Buffer.concat(received).equals(body)).toBe(true);
});

test('a client that leaves while the store is asked leaves nothing running', async () => {
  const sessions = new SlowStore();
  const { port, seen } = await stage(undefined, { sessions });
  const client = await SealedClient.pair(port);
  sessions.delayMs = 100;
  for (const leaveAfterMs of [20, 150]) {
    const { message } = await client.seal(plaintextOf({ method: 'POST', path: '/left' }));
    const req = post(port, message.length);
    req.end(message);
    await new Promise((resolve) => setTimeout(resolve, leaveAfterMs));
    req.destroy();
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(seen).toHaveLength(0);
  sessions.delayMs = 1;
  expect((await client.fetch({ path: '/next' })).head.status).toBe(200);
});

test('a header in two pieces, and an end that comes while the store is asked', async () => {
  const { port } = await stage(undefined, { sessions: new SlowStore() });
  const client = await SealedClient.pair(port);
  const { message } = await client.seal(plaintextOf({ path: '/pieces' }));
  const status = await new Promise<number>((resolve, reject) => {
    const req = post(port, message.length);
    req.on('response', (res) => resolve(res.statusCode ?? 0));
    req.on('error', reject);
    req.write(message.subarray(0, 20));
    setTimeout(() => req.write(message.subarray(20, 60)), 20);
    setTimeout(() => req.end(message.subarray(60)), 30);
  });
  expect(status).toBe(200);
});

test('a store that fails is 503 with Retry-After for pairing, exchange and cancel, and nothing runs', async () => {
  const sessions = new SlowStore();
  const { port, seen } = await stage(undefined, { sessions });
  const client = await SealedClient.pair(port);
  sessions.down = true;
  const { message } = await client.seal(plaintextOf({ method: 'POST', path: '/down' }));
  const response = await client.post(message);
  expect([response.status, response.code]).toEqual([503, 'unavailable']);
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
  await expect(client.cancel(0)).rejects.toThrow('503');
  await expect(SealedClient.pair(port)).rejects.toThrow('503 unavailable');
  sessions.down = false;
  expect(seen).toHaveLength(0);
  expect(await client.cancel(0)).toBe(true);
  expect((await client.post(message)).code).toBe('replayed');
});

test('a store that fails when an upload has begun refuses it, and none of it runs', async () => {
  const sessions = new SlowStore();
  const { port, seen } = await stage(undefined, { sessions });
  const client = await SealedClient.pair(port);
  const exchange = await SealedExchange.begin(suite, client.keys, MESSAGE_TYPE_EXCHANGE, 0);
  const head = {
    method: 'POST',
    scheme: 'http',
    authority: 'relay.example',
    path: '/up',
    headers: withSentTime(),
  } as const;
  const first = await exchange.seal(encodeRequestStart(head));
  const agent = new Agent({ keepAlive: true });
  sessions.down = true;
  const req = post(port, undefined, agent);
  const status = new Promise<number>((resolve, reject) => {
    req.on('response', (res) => resolve(res.statusCode ?? 0));
    req.on('error', reject);
  });
  req.write(exchange.header);
  req.write(first);
  expect(await status).toBe(503);
  req.destroy();
  agent.destroy();
  expect(seen).toHaveLength(0);
});

function post(port: number, length: number | undefined, agent?: Agent): ClientRequest {
  const headers = { 'content-type': CONTENT_TYPE_MESSAGE, ...(length !== undefined && { 'content-length': length }) };
  const req = request({ port, host: '127.0.0.1', path: '/api/mte', method: 'POST', headers, agent });
  req.on('error', () => undefined);
  return req;
}
