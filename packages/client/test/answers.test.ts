// Answers that were cut, changed or swapped never look complete (ATTACKS: cryptography in use).
import { MESSAGE_TYPE_EXCHANGE } from '@mte-relay/protocol';
import { refusal } from '@mte-relay/testing/mini-relay';
import { inPieces } from '@mte-relay/testing/pieces';
import type { OuterAnswer, OuterCall } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

/** Three sealed chunks: head, and two pieces of content. */
const streamed = (): { content: AsyncIterable<Uint8Array> } => ({
  content: inPieces([new Uint8Array(1000).fill(1), new Uint8Array(1000).fill(2)]),
});

async function collected(answer: OuterAnswer): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(answer.body as BodyInit).arrayBuffer());
}

async function wholeOf(call: OuterCall): Promise<OuterAnswer & { body: Uint8Array<ArrayBuffer> }> {
  const answer = await call.forward();
  const { body } = answer;
  if (body instanceof Uint8Array) return { ...answer, body };
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return { ...answer, body: new Uint8Array(Buffer.concat(parts)) };
}

// 16 nonce, then a chunk of the head (1 + 21), content (2 + 1018) twice, and the final chunk.
test.each([40, 100, 1057, 1058, 1059, 1100, 2078, 2079, 2090])(
  'cut at byte %d: the body errors',
  async (cutAtBytes) => {
    const { relay, client } = await setUp();
    relay.upstream = streamed;
    relay.box = async (call) => {
      if (!call.header) return call.forward();
      const answer = await wholeOf(call);
      expect(cutAtBytes).toBeLessThan(answer.body.length);
      return { ...answer, cutAtBytes };
    };
    const response = await client.fetch('/', { method: 'POST' });
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-truncated', mayHaveRun: true });
    expect(relay.ran.length).toBe(1);
  },
);

test('ended cleanly before the final chunk: the body errors', async () => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.box = async (call) => {
    if (!call.header) return call.forward();
    const answer = await wholeOf(call);
    return { ...answer, body: answer.body.subarray(0, answer.body.length - 20) };
  };
  const response = await client.fetch('/');
  await expect(response.text()).rejects.toMatchObject({ name: 'RelayClientError', code: 'response-truncated' });
});

test.each([0, 15, 16, 17, 30])(
  'bit flipped in byte %d, before the head is whole: fetch never resolves with it',
  async (at) => {
    const { relay, client } = await setUp();
    relay.upstream = streamed;
    relay.box = async (call) => {
      if (!call.header) return call.forward();
      const answer = await wholeOf(call);
      answer.body[at] = (answer.body[at] as number) ^ 1;
      return answer;
    };
    await expect(client.fetch('/')).rejects.toBeInstanceOf(TypeError);
  },
);

test.each([60, 1000, 1070, 2080, 2095])('bit flipped in byte %d, behind the head: the body errors', async (at) => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.box = async (call) => {
    if (!call.header) return call.forward();
    const answer = await wholeOf(call);
    expect(at).toBeLessThan(answer.body.length);
    answer.body[at] = (answer.body[at] as number) ^ 1;
    return answer;
  };
  const response = await client.fetch('/');
  const error = await response.arrayBuffer().catch((caught) => caught);
  expect(error).toMatchObject({ name: 'RelayClientError', mayHaveRun: true });
  expect(['response-unopenable', 'response-truncated']).toContain(error.code);
});

test('cut inside compressed content: the decompressed body errors with the same error', async () => {
  const { relay, client } = await setUp();
  const zipped = new Blob([crypto.getRandomValues(new Uint8Array(60_000))]).stream();
  const content = new Uint8Array(await new Response(zipped.pipeThrough(new CompressionStream('gzip'))).arrayBuffer());
  relay.upstream = () => ({
    headers: [['content-encoding', 'gzip']],
    content: inPieces([content.subarray(0, 30_000), content.subarray(30_000)]),
  });
  relay.box = async (call) => (call.header ? { ...(await wholeOf(call)), cutAtBytes: 40_000 } : call.forward());
  const response = await client.fetch('/');
  await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-truncated' });
});

test('chunks in another order: the body errors', async () => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.box = async (call) => {
    if (!call.header) return call.forward();
    const answer = await wholeOf(call);
    const { body } = answer;
    const headEnd = 16 + 1 + (body[16] as number);
    const chunk = 2 + 1002 + 16;
    const swapped = Buffer.concat([
      body.subarray(0, headEnd),
      body.subarray(headEnd + chunk, headEnd + 2 * chunk),
      body.subarray(headEnd, headEnd + chunk),
      body.subarray(headEnd + 2 * chunk),
    ]);
    return { ...answer, body: new Uint8Array(swapped) };
  };
  const response = await client.fetch('/');
  await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-unopenable' });
});

test('two answers swapped: neither call gets the other one', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ path }) => ({ content: `secret of ${path}` });
  await (await client.fetch('/warm')).text();
  const held: { answer: Uint8Array<ArrayBuffer>; give: (answer: OuterAnswer) => void }[] = [];
  relay.box = (call) => {
    if (call.header?.type !== MESSAGE_TYPE_EXCHANGE || held.length >= 2) return call.forward();
    return new Promise((give) => {
      void call.forward().then(async (answer) => {
        held.push({ answer: await collected(answer), give });
        if (held.length < 2) return;
        const [a, b] = held as [(typeof held)[0], (typeof held)[0]];
        a.give({ ...answer, body: b.answer });
        b.give({ ...answer, body: a.answer });
      });
    });
  };
  const results = await Promise.allSettled(['/a', '/b'].map((path) => client.fetch(path, { method: 'POST' })));
  for (const result of results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'may-have-run' } });
  }
  expect(relay.ran.length).toBe(3);
});

test('an answer recorded earlier does not answer the same request again', async () => {
  const { relay, client } = await setUp();
  let recorded: OuterAnswer | undefined;
  relay.box = async (call) => {
    if (!call.header) return call.forward();
    recorded ??= await call.forward();
    return recorded;
  };
  expect((await client.fetch('/balance')).status).toBe(200);
  await expect(client.fetch('/balance')).rejects.toMatchObject({ code: 'response-unopenable' });
});

test('a cut answer with a null body rejects, since it has no stream to error', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 204, content: inPieces([]) });
  relay.box = async (call) => {
    if (!call.header) return call.forward();
    const answer = await wholeOf(call);
    return { ...answer, body: answer.body.subarray(0, answer.body.length - 19) };
  };
  await expect(client.fetch('/', { method: 'POST' })).rejects.toMatchObject({ code: 'response-truncated' });
  expect(relay.ran.length).toBe(1);
});

test('a refusal outside the seal never becomes a Response', async () => {
  const { relay, client } = await setUp();
  relay.box = async (call) => (call.header ? refusal('origin-refused') : call.forward());
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'relay-refused', outerCode: 'origin-refused' });
});
