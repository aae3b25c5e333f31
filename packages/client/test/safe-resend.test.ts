// A hostile intermediary forwards, swallows, forges and cuts (SPEC §7): nothing runs twice, what is
// proven not to have run is resent, and the rest fails with `may-have-run`.
import { MESSAGE_TYPE_CANCEL, MESSAGE_TYPE_EXCHANGE } from '@mte-relay/protocol';
import { refusal, sealedResponse } from '@mte-relay/testing/mini-relay';
import { sdkClient } from '@mte-relay/testing/sdk-client';
import { endsWithTest } from '@mte-relay/testing/test-end';
import { bytes, type IntermediaryResponse, type OuterCall, TestRelay } from '@mte-relay/testing/test-relay';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { setUp } from './support/setup.ts';

type Intermediary = (call: OuterCall) => Promise<IntermediaryResponse | undefined>;

/** Applies to the first `times` sealed requests (cancels not counted), and lets everything else through. */
function onFirst(times: number, intermediary: Intermediary): Intermediary {
  let seen = 0;
  return (call) => {
    if (call.header?.type !== MESSAGE_TYPE_EXCHANGE || seen >= times) return call.forward();
    seen += 1;
    return intermediary(call);
  };
}

const post = (path = '/pay'): [string, RequestInit] => [path, { method: 'POST', body: 'amount=1' }];

const FORGED: [string, () => IntermediaryResponse | undefined][] = [
  ['401 session-unknown', () => refusal('session-unknown')],
  ['409 replayed', () => refusal('replayed')],
  ['503', () => refusal('unavailable')],
  ['429 with Retry-After', () => refusal('too-many', { 'retry-after': '0' })],
  ['413', () => refusal('too-large')],
  ['a reset connection', () => undefined],
  ['200 with garbage', () => sealedResponse(bytes('x'.repeat(500)))],
  ['200 with an empty body', () => sealedResponse(new Uint8Array(0))],
  [
    '200 of another content type',
    () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: bytes('<p>') }),
  ],
];

describe('a POST that the intermediary forwarded before it forged', () => {
  test.each(FORGED)('%s: runs once and fails with may-have-run', async (_name, forged) => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(9, async ({ forward }) => {
      await forward();
      return forged();
    });
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run', mayHaveRun: true });
    expect(relay.ran.length).toBe(1);
  });

  test('a cut inside the sealed head: runs once and fails with may-have-run', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async ({ forward }) => ({ ...(await forward()), cutAtBytes: 20 }));
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('421, on which fetch reconnects, and then no connection: runs once and fails with may-have-run', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      relay.refuseConnections();
      return { status: 421, headers: { connection: 'close' }, body: new Uint8Array(0) };
    });
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run', mayHaveRun: true });
    expect(relay.ran.length).toBe(1);
  });
});

describe('a POST that the intermediary kept back', () => {
  test.each(FORGED.filter(([name]) => name !== '413'))(
    '%s: the client resends after an authenticated cancel',
    async (_name, forged) => {
      const { relay, client } = await setUp();
      relay.intermediary = onFirst(1, async () => forged());
      const response = await client.fetch(...post());
      expect(response.status).toBe(200);
      expect(relay.ran.length).toBe(1);
    },
  );

  test('delivered after the cancel, it does not run any more', async () => {
    const { relay, client } = await setUp();
    let late: OuterCall | undefined;
    relay.intermediary = onFirst(1, (call) => {
      late = call;
      return Promise.resolve(refusal('unavailable'));
    });
    await client.fetch(...post());
    expect((await late?.forward())?.status).toBe(409);
    expect(relay.ran.length).toBe(1);
  });

  test('an unwelcome one (413) fails as not run', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(9, async () => refusal('too-large'));
    await expect(client.fetch(...post())).rejects.toMatchObject({
      code: 'relay-refused',
      status: 413,
      outerCode: 'too-large',
      mayHaveRun: false,
    });
    expect(relay.ran.length).toBe(0);
  });

  test('the client does not resend a body that is a stream, and reports that it has not run', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async () => refusal('unavailable'));
    const body = new Blob(['x']).stream();
    const call = client.fetch('/', { method: 'POST', body, duplex: 'half' });
    await expect(call).rejects.toMatchObject({ code: 'relay-refused', mayHaveRun: false });
    expect(relay.ran.length).toBe(0);
  });

  test('resends are bounded', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(99, async () => refusal('unavailable'));
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'relay-refused', mayHaveRun: false });
    expect(relay.count('/api/mte')).toBe(6); // three tries, a cancel behind each
  });
});

describe('when the cancel has no response under the seal', () => {
  const everything: Intermediary = async (call) => {
    if (call.header?.type === MESSAGE_TYPE_EXCHANGE) await call.forward();
    return call.header ? refusal('unavailable') : call.forward();
  };

  test('an outer refusal of it proves nothing', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = everything;
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test("the response to another message's cancel proves nothing", async () => {
    const { relay, client } = await setUp();
    let recorded: IntermediaryResponse | undefined;
    relay.intermediary = onFirst(1, async () => refusal('unavailable'));
    relay.intermediary = ((inner) => async (call: OuterCall) => {
      const response = await inner(call);
      if (call.header?.type === MESSAGE_TYPE_CANCEL) recorded = response;
      return response;
    })(relay.intermediary as Intermediary);
    await client.fetch(...post('/first')); // its cancel got "cancelled"
    relay.intermediary = async (call) => {
      if (call.header?.type === MESSAGE_TYPE_CANCEL) return recorded;
      if (call.header) await call.forward();
      return call.header ? refusal('unavailable') : call.forward();
    };
    await expect(client.fetch(...post('/second'))).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.map(({ path }) => path)).toEqual(['/first', '/second']);
  });
});

describe('a relay that forgot its sessions', () => {
  async function warmedUp(): Promise<{
    relay: TestRelay;
    fetch: (path: string, init?: RequestInit) => Promise<Response>;
  }> {
    const { relay, client } = await setUp();
    await (await client.fetch('/warm')).text();
    relay.ran.length = 0;
    return { relay, fetch: client.fetch };
  }

  test('heals a GET with one new pairing', async () => {
    const { relay, fetch } = await warmedUp();
    relay.forgetSessions();
    expect((await fetch('/a')).status).toBe(200);
    expect(relay.count('/api/mte-pair')).toBe(2);
    expect(relay.ran.length).toBe(1);
  });

  test('heals a POST sent after its restart: the store is newer than the session and older than the call', async () => {
    const { relay, fetch } = await warmedUp();
    relay.restart(10_000); // longer ago than any pairing takes
    expect((await fetch(...post())).status).toBe(200);
    expect(relay.ran.length).toBe(1);
  });

  test('heals parallel calls with one new pairing', async () => {
    const { relay, fetch } = await warmedUp();
    relay.restart(10_000); // longer ago than any pairing takes
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => fetch(`/${i}`, { method: i % 2 ? 'GET' : 'POST' })),
    );
    expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(relay.ran.length).toBe(20);
    expect(relay.count('/api/mte-pair')).toBe(2);
  });

  test('a POST in progress at its restart fails with may-have-run and ran once', async () => {
    const { relay, fetch } = await warmedUp();
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      relay.restart(); // the response is lost with the process
      return undefined;
    });
    await expect(fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('a store that lost the session but is not newer proves nothing', async () => {
    const { relay, fetch } = await warmedUp();
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      relay.forgetSessions();
      return refusal('session-unknown');
    });
    await expect(fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('a machine that slept in between does not take the new store for older than its call', async () => {
    const { relay, fetch } = await warmedUp();
    const realNow = Date.now;
    onTestFinished(() => void vi.restoreAllMocks());
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      // An hour passes on the wall clock alone; the relay restarted in the middle of it.
      vi.spyOn(Date, 'now').mockImplementation(() => realNow() + 3_600_000);
      relay.restart(1_800_000);
      return refusal('session-unknown');
    });
    await expect(fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('one that never knows a session is paired with once per call', async () => {
    const { relay, fetch } = await warmedUp();
    relay.intermediary = async (call) => (call.header ? refusal('session-unknown') : call.forward());
    await expect(fetch('/a')).rejects.toMatchObject({ code: 'relay-refused', status: 401 });
    expect(relay.count('/api/mte-pair')).toBe(2);
  });
});

describe.each(['PUT', 'DELETE'])('%s, an idempotent method that is not safe', (method) => {
  test.each(FORGED.filter(([name]) => name !== '413'))(
    '%s: the client resends after a cancel, and the original does not run later',
    async (_name, forged) => {
      const { relay, client } = await setUp();
      let held: OuterCall | undefined;
      relay.intermediary = onFirst(1, async (call) => {
        held = call;
        return forged();
      });
      const response = await client.fetch('/dose', { method, ...(method === 'PUT' && { body: '20' }) });
      expect(response.status).toBe(200);
      await client.fetch('/dose', { method: 'PUT', body: '5' }); // a newer write
      expect((await held?.forward())?.status).toBe(409);
      expect(relay.ran.map((ran) => ran.method)).toEqual([method, 'PUT']);
    },
  );

  test('one that ran is resent when its cancel results in "already claimed"', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      return undefined;
    });
    expect((await client.fetch('/dose', { method })).status).toBe(200);
    expect(relay.ran.length).toBe(2);
  });

  test('one that ran, and whose resend meets a relay that cannot reach the upstream, may have run', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async ({ forward }) => {
      await forward();
      relay.upstream = () => ({ status: 502, headers: [['mte-relay-failure', 'upstream-unreachable']] });
      return undefined;
    });
    await expect(client.fetch('/dose', { method })).rejects.toMatchObject({ code: 'may-have-run', mayHaveRun: true });
  });

  test('without a response to the cancel it is not resent', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = async (call) => (call.header ? undefined : call.forward());
    await expect(client.fetch('/dose', { method })).rejects.toMatchObject({ code: 'may-have-run', mayHaveRun: true });
    expect(relay.ran.length).toBe(0);
  });
});

test('a PUT of several chunks that is claimed may still be arriving, so it is not resent', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = onFirst(1, async ({ forward }) => {
    await forward();
    return undefined;
  });
  const call = client.fetch('/dose', { method: 'PUT', body: 'x'.repeat(100_000) });
  await expect(call).rejects.toMatchObject({ code: 'may-have-run' });
  expect(relay.ran.length).toBe(1);
});

describe('a call that has ended without a response', () => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
    '%s, aborted: held back and delivered later, it does not run',
    async (method) => {
      const { relay, client } = await setUp();
      const controller = new AbortController();
      let held: OuterCall | undefined;
      relay.intermediary = onFirst(1, async (call) => {
        held = call;
        controller.abort();
        return undefined;
      });
      await expect(client.fetch('/pay', { method, signal: controller.signal })).rejects.toMatchObject({
        name: 'AbortError',
      });
      await expect.poll(() => relay.count('/api/mte')).toBe(2); // the cancel
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect((await held?.forward())?.status).toBe(409);
      expect(relay.ran.length).toBe(0);
    },
  );

  test('a GET, aborted, is not cancelled: it may run', async () => {
    const { relay, client } = await setUp();
    const controller = new AbortController();
    relay.intermediary = onFirst(1, async () => {
      controller.abort();
      return undefined;
    });
    await expect(client.fetch('/', { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(relay.count('/api/mte')).toBe(1);
  });

  test('one that fails with may-have-run is cancelled once more, behind it', async () => {
    const { relay, client } = await setUp();
    let held: OuterCall | undefined;
    relay.intermediary = onFirst(1, async (call) => {
      held = call;
      relay.intermediary = async (next) => (relay.count('/api/mte') <= 3 && next.header ? undefined : next.forward());
      return undefined;
    });
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    await expect.poll(() => relay.count('/api/mte')).toBe(4);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await held?.forward())?.status).toBe(409);
    expect(relay.ran.length).toBe(0);
  });
});

describe('a request that is too old when it arrives', () => {
  test('is sent anew by the relay’s time, also a POST, since the refusal proves that it did not run', async () => {
    const { relay, client } = await setUp();
    await (await client.fetch('/')).text();
    relay.aheadMs = 3_600_000;
    expect((await client.fetch(...post())).status).toBe(200);
    expect((await client.fetch(...post())).status).toBe(200); // the client has learnt the time
    expect(relay.ran.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST']);
    expect(relay.count('/api/mte')).toBe(4);
    relay.aheadMs = 0; // now its requests are from the future
    expect((await client.fetch(...post())).status).toBe(200);
    expect(relay.ran.length).toBe(4);
  });

  test('held back for longer than the limit, it does not run', async () => {
    const { relay, client } = await setUp();
    let held: OuterCall | undefined;
    relay.intermediary = onFirst(1, async (call) => {
      held = call;
      return undefined;
    });
    const everyCancel = relay.intermediary;
    relay.intermediary = async (call) => (call.header?.type === MESSAGE_TYPE_CANCEL ? undefined : everyCancel(call));
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    relay.aheadMs = 121_000;
    expect((await held?.forward())?.status).toBe(200); // the sealed refusal
    expect(relay.ran.length).toBe(0);
  });

  test('with a stream as its body it fails with 408, as not run', async () => {
    const { relay, client } = await setUp();
    await (await client.fetch('/')).text();
    relay.aheadMs = 3_600_000;
    const response = await client.fetch('/', { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' });
    expect(response.status).toBe(408);
    expect(relay.ran.length).toBe(1);
  });

  test('resends are bounded', async () => {
    const { relay, client } = await setUp();
    let aheadMs = 0;
    relay.intermediary = (call) => {
      if (call.header) relay.aheadMs = aheadMs += 3_600_000;
      return call.forward();
    };
    expect((await client.fetch(...post())).status).toBe(408);
    expect(relay.count('/api/mte')).toBe(3);
  });

  test('a machine that slept pairs anew instead of sending what is too old', async () => {
    const { relay, client } = await setUp();
    await (await client.fetch('/')).text();
    const realNow = Date.now;
    onTestFinished(() => void vi.restoreAllMocks());
    vi.spyOn(Date, 'now').mockImplementation(() => realNow() + 90_000); // the monotonic clock stood still
    expect((await client.fetch(...post())).status).toBe(200);
    expect(relay.count('/api/mte-pair')).toBe(2);
    expect(relay.count('/api/mte')).toBe(2);
  });

  test('the time is that of the relay, whatever the client’s wall clock says', async () => {
    const { relay, client } = await setUp();
    const realNow = Date.now;
    relay.aheadMs = -7_200_000;
    onTestFinished(() => void vi.restoreAllMocks());
    await (await client.fetch('/')).text();
    const sentMs = relay.ran[0]?.sentMs as number;
    expect(Math.abs(sentMs - (realNow() - 7_200_000))).toBeLessThan(5_000);
    expect(sentMs).toBeLessThanOrEqual(realNow() - 7_200_000);
  });
});

describe('lineage', () => {
  const OTHER = new Uint8Array(16).fill(7);

  test.each([
    ['another lineage', { lineage: OTHER }],
    ['none', { lineage: new Uint8Array(16) }],
  ])('a newer and older store of %s proves nothing: two relays, or two regions', async (_name, parameters) => {
    const { relay, client } = await setUp();
    await (await client.fetch('/')).text();
    relay.restart(10_000);
    relay.parameters = parameters;
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('a newer and older store under another pinned key proves nothing', async () => {
    const relay = endsWithTest(await TestRelay.start());
    const first = relay.pin;
    await relay.useKey(2);
    const client = sdkClient(relay, { pins: [first, relay.pin] });
    await relay.useKey(1);
    await (await client.fetch('/')).text();
    relay.restart(10_000);
    await relay.useKey(2);
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect(relay.ran.length).toBe(1);
  });

  test('where the store can lose claims, "cancelled" proves nothing for a POST, and a PUT is resent', async () => {
    const { relay, client } = await setUp();
    relay.parameters = { lineage: new Uint8Array(16) };
    relay.intermediary = onFirst(2, async () => refusal('unavailable'));
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    expect((await client.fetch('/', { method: 'PUT' })).status).toBe(200);
  });

  test('nor does a refusal of what is too old', async () => {
    const { relay, client } = await setUp();
    relay.parameters = { lineage: new Uint8Array(16) };
    await (await client.fetch('/')).text();
    relay.aheadMs = 3_600_000;
    await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'may-have-run' });
    relay.aheadMs = 7_200_000;
    expect((await client.fetch('/', { method: 'PUT' })).status).toBe(200);
  });

  test('nor, behind such a refusal, what the relay says of the PUT that was sent anew', async () => {
    const { relay, client } = await setUp();
    relay.parameters = { lineage: new Uint8Array(16) };
    relay.upstream = () => ({ status: 502, headers: [['mte-relay-failure', 'upstream-unreachable']] });
    await (await client.fetch('/')).text();
    relay.aheadMs = 3_600_000;
    const put = client.fetch('/', { method: 'PUT' });
    await expect(put).rejects.toMatchObject({ code: 'may-have-run', mayHaveRun: true });
    relay.aheadMs = 7_200_000;
    expect((await client.fetch('/')).status).toBe(502); // a safe one may be repeated
  });
});

describe('a safe request', () => {
  test.each(FORGED.filter(([name]) => name !== '413'))(
    '%s: the client resends without a cancel',
    async (_name, forged) => {
      const { relay, client } = await setUp();
      relay.intermediary = onFirst(1, async () => forged());
      expect((await client.fetch('/')).status).toBe(200);
      expect(relay.ran.length).toBe(1);
      expect(relay.count('/api/mte')).toBe(2);
    },
  );

  test('fails after a bounded number of tries', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(99, async () => undefined);
    await expect(client.fetch('/')).rejects.toMatchObject({ code: 'unreachable', mayHaveRun: true });
    expect(relay.count('/api/mte')).toBe(3);
  });

  test('waits for Retry-After once, and not for long ones', async () => {
    const { relay, client } = await setUp();
    relay.intermediary = onFirst(1, async () => refusal('too-many', { 'retry-after': '1' }));
    const startedAt = performance.now();
    await client.fetch('/');
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    relay.intermediary = onFirst(1, async () => refusal('too-many', { 'retry-after': '60' }));
    await expect(client.fetch('/')).rejects.toMatchObject({ status: 429, retryAfterMs: 60_000 });
  });
});

test('a relay that is down: nothing was sent, so a POST fails as not run', async () => {
  const { relay, client } = await setUp();
  await (await client.fetch('/')).text();
  await relay.stop();
  await new Promise((resolve) => setTimeout(resolve, 100)); // the kept connection is seen to close
  await expect(client.fetch(...post())).rejects.toMatchObject({ code: 'unreachable', mayHaveRun: false });
});

test('the client reports a resend to listeners', async () => {
  const { relay, client } = await setUp();
  const heard: unknown[] = [];
  const unlisten = client.on('resend', (event) => heard.push(event));
  relay.intermediary = onFirst(1, async () => refusal('unavailable'));
  await client.fetch('/a?b');
  expect(heard).toEqual([{ method: 'GET', url: `${relay.url}/a?b`, reason: '503' }]);
  unlisten();
  relay.intermediary = onFirst(1, async () => refusal('unavailable'));
  await client.fetch('/');
  expect(heard.length).toBe(1);
});
