// client.EventSource against the real relay and a real upstream: the cases of the specification, reconnection, refusals.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRelayClient, type RelayClient, type RelayClientError } from '@mte-relay/client';
import { EVENT_STREAM_CASES, EVENT_TYPES } from '@mte-relay/testing/event-stream-cases';
import { sdkClient, sdkStage } from '@mte-relay/testing/sdk-client';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { TestRelay } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';

async function setUp(
  upstream: (req: IncomingMessage, res: ServerResponse) => void,
): Promise<{ client: RelayClient; url: string; seen: { url: string; headers: IncomingMessage['headers'] }[] }> {
  return await sdkStage(upstream);
}

function stream(res: ServerResponse, ...pieces: string[]): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const piece of pieces) res.write(piece);
}

/** Resolves with the first event of this type. */
function first<E extends Event = Event>(source: EventSource, type: string): Promise<E> {
  return new Promise((resolve) => source.addEventListener(type, resolve as unknown as EventListener, { once: true }));
}

test('the cases of the specification, piece by piece', async () => {
  const { client } = await setUp((req, res) => {
    const { pieces } = EVENT_STREAM_CASES[Number(req.url?.slice(1))] as (typeof EVENT_STREAM_CASES)[0];
    res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    let at = 0;
    const next = (): void => {
      if (at === pieces.length) return void res.end();
      res.write(Buffer.from(pieces[at++] as string, 'latin1'));
      setImmediate(next);
    };
    next();
  });
  await Promise.all(
    EVENT_STREAM_CASES.map(async ({ name, events }, at) => {
      const source = new client.EventSource(`/${at}`);
      const got: string[] = [];
      for (const type of EVENT_TYPES) {
        source.addEventListener(type, ({ data, lastEventId }) => got.push(`${type}|${data}|${lastEventId}`));
      }
      await first(source, 'error');
      source.close();
      expect(got, name).toEqual(events);
    }),
  );
});

test('it opens, names its URL, and delivers an event before the response has ended', async () => {
  const { client, url, seen } = await setUp((_req, res) => stream(res, 'data: now\n\n'));
  const source = new client.EventSource('/feed?x=1', { withCredentials: true });
  expect([source.readyState, source.url, source.withCredentials]).toEqual([0, `${url}/feed?x=1`, true]);
  expect([client.EventSource.CONNECTING, source.OPEN, source.CLOSED]).toEqual([0, 1, 2]);
  const order: string[] = [];
  source.onopen = () => order.push(`open ${source.readyState}`);
  const message = new Promise<MessageEvent>((resolve) => {
    source.onmessage = resolve;
  });
  expect(await message).toMatchObject({ type: 'message', data: 'now', origin: url, lastEventId: '' });
  expect(order).toEqual(['open 1']);
  expect(seen[0]).toMatchObject({
    url: '/feed?x=1',
    headers: { accept: 'text/event-stream', 'cache-control': 'no-cache', pragma: 'no-cache' },
  });
  expect(seen[0]?.headers['last-event-id']).toBe(undefined);
  source.close();
  expect(source.readyState).toBe(2);
});

test('it reconnects after an end and after a break, from the last event, after the announced time', async () => {
  const arrivals: number[] = [];
  const { client, seen } = await setUp((_req, res) => {
    arrivals.push(performance.now());
    if (arrivals.length === 1) {
      stream(res, 'retry: 120\nid: ü1\ndata: a\n\n');
      res.end();
    } else if (arrivals.length === 2) {
      stream(res, 'data: b\n\nid: half');
      setTimeout(() => res.destroy(), 30);
    } else stream(res, 'data: c\n\n');
  });
  const source = new client.EventSource('/');
  const log: string[] = [];
  source.onopen = () => log.push('open');
  source.onerror = () => log.push(`error ${source.readyState}`);
  await new Promise<void>((resolve) => {
    source.onmessage = ({ data, lastEventId }) => {
      log.push(`${data} ${lastEventId}`);
      if (data === 'c') resolve();
    };
  });
  expect(log).toEqual(['open', 'a ü1', 'error 0', 'open', 'b ü1', 'error 0', 'open', 'c ü1']);
  const sent = seen.map(({ headers }) => headers['last-event-id']);
  expect(sent).toEqual([undefined, utf8('ü1'), utf8('ü1')]);
  expect((arrivals[1] as number) - (arrivals[0] as number)).toBeGreaterThan(110);
  expect((arrivals[2] as number) - (arrivals[1] as number)).toBeGreaterThan(110);
  source.close();
});

test.each([
  ['204', 204, 'text/event-stream'],
  ['404', 404, 'text/event-stream'],
  ['500', 500, 'text/event-stream'],
  ['another type', 200, 'text/plain'],
  ['no type', 200, undefined],
  ['a type that only begins like it', 200, 'text/event-streams'],
])('%s fails it for good', async (_name, status, type) => {
  const { client, seen } = await setUp((_req, res) => {
    res.writeHead(status, type ? { 'content-type': type } : {});
    res.end(status === 204 ? undefined : 'retry: 1\ndata: never\n\n');
  });
  const source = new client.EventSource('/');
  const got: unknown[] = [];
  source.onmessage = ({ data }) => got.push(data);
  const { error } = (await first<ErrorEvent>(source, 'error')) as { error: RelayClientError };
  expect(source.readyState).toBe(2);
  expect(error.code).toBe('event-stream-refused');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen.length).toBe(1);
  expect(got).toEqual([]);
});

test('the type may have parameters and another case', async () => {
  const { client } = await setUp((_req, res) => {
    res.writeHead(200, { 'content-type': 'Text/Event-Stream;charset=x' });
    res.write('data: a\n\n');
  });
  const source = new client.EventSource('/');
  expect((await first<MessageEvent>(source, 'message')).data).toBe('a');
  source.close();
});

test('closed by a listener, it delivers nothing more, and the upstream’s work ends', async () => {
  let closed = 0;
  const { client } = await setUp((_req, res) => {
    res.on('close', () => {
      closed += 1;
    });
    stream(res, 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
  });
  const source = new client.EventSource('/');
  const got: unknown[] = [];
  source.onerror = () => got.push('error');
  await new Promise<void>((resolve) => {
    source.onmessage = ({ data }) => {
      got.push(data);
      source.close();
      resolve();
    };
  });
  await expect.poll(() => closed).toBe(1);
  expect(got).toEqual(['1']);
});

test('it retries a failing network, half as often each time, and a response resets that', async () => {
  let fails = false;
  const { client } = await setUp((req, res) => {
    if (fails) return void req.destroy(); // the relay responds with a 502 of its own
    stream(res, 'retry: 40\ndata: here\n\n');
    res.end();
  });
  const source = new client.EventSource('/');
  const errorsAt: number[] = [];
  let opens = 0;
  await new Promise<void>((resolve) => {
    source.onopen = () => {
      opens += 1;
    };
    source.onerror = () => {
      expect(source.readyState).toBe(0);
      errorsAt.push(performance.now());
      fails = errorsAt.length < 5;
      if (errorsAt.length === 7) resolve();
    };
  });
  source.close();
  const pauses = errorsAt.slice(1).map((at, i) => at - (errorsAt[i] as number));
  for (const [i, leastMs] of [40, 40, 80, 160, 320, 40].entries()) expect(pauses[i]).toBeGreaterThan(leastMs - 3);
  expect(pauses[5]).toBeLessThan(640); // what it would have been, had nothing come back
  expect(opens).toBe(3);
});

test('a relay that cannot be reached is not given up', async () => {
  const gone = endsWithTest(createRelayClient('http://127.0.0.1:1', { pins: [`sha256-${'A'.repeat(43)}=`] }));
  const source = new gone.EventSource('/');
  const { error } = await first<ErrorEvent>(source, 'error');
  expect([source.readyState, (error as RelayClientError).code]).toEqual([0, 'unreachable']);
  source.close();
});

test('it refuses another origin and an invalid URL at once; a closed client fails it', async () => {
  const { client } = await setUp((_req, res) => stream(res, 'data: a\n\n'));
  expect(() => new client.EventSource('http://[')).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  expect(() => new client.EventSource('https://elsewhere.example/')).toThrow(
    expect.objectContaining({ code: 'origin-not-relayed' }),
  );
  const source = new client.EventSource('/');
  await first(source, 'message');
  const failed = first<ErrorEvent>(source, 'error');
  client.close();
  expect((await failed).error).toMatchObject({ code: 'closed' });
  expect(source.readyState).toBe(2);
  expect(() => new client.EventSource('/')).toThrow(expect.objectContaining({ code: 'closed' }));
});

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}

test('requests that relays with differing clocks find too old do not end it', async () => {
  const relay = endsWithTest(await TestRelay.start());
  relay.upstream = () => ({ headers: [['content-type', 'text/event-stream']], content: 'data: here\n\n' });
  const source = new (sdkClient(relay).EventSource)('/feed');
  let requests = 0;
  relay.intermediary = (call) => {
    if (call.header) requests += 1;
    relay.aheadMs = requests < 4 ? requests * 3_600_000 : 10_800_000;
    return call.forward();
  };
  expect((await first<MessageEvent>(source, 'message')).data).toBe('here');
  source.close();
});
