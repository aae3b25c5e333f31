// Responses that were cut, changed or swapped never look complete (ATTACKS: cryptography in use).
import { MESSAGE_TYPE_EXCHANGE } from '@mte-relay/protocol';
import { refusal } from '@mte-relay/testing/mini-relay';
import { inPieces } from '@mte-relay/testing/pieces';
import type { IntermediaryResponse, OuterCall } from '@mte-relay/testing/test-relay';
import { expect, test } from 'vitest';
import { setUp } from './support/setup.ts';

/** Three sealed chunks: head, and two pieces of content. */
const streamed = (): { content: AsyncIterable<Uint8Array> } => ({
  content: inPieces([new Uint8Array(1000).fill(1), new Uint8Array(1000).fill(2)]),
});

async function collected(response: IntermediaryResponse): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(response.body as BodyInit).arrayBuffer());
}

async function wholeOf(call: OuterCall): Promise<IntermediaryResponse & { body: Uint8Array<ArrayBuffer> }> {
  const response = await call.forward();
  const { body } = response;
  if (body instanceof Uint8Array) return { ...response, body };
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return { ...response, body: new Uint8Array(Buffer.concat(parts)) };
}

// 16 nonce, then a chunk of the head (1 + 21), content (2 + 1018) twice, and the final chunk.
test.each([40, 100, 1057, 1058, 1059, 1100, 2078, 2079, 2090])(
  'cut at byte %d: the body errors',
  async (cutAtBytes) => {
    const { relay, client } = await setUp();
    relay.upstream = streamed;
    relay.intermediary = async (call) => {
      if (!call.header) return call.forward();
      const response = await wholeOf(call);
      expect(cutAtBytes).toBeLessThan(response.body.length);
      return { ...response, cutAtBytes };
    };
    const response = await client.fetch('/', { method: 'POST' });
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-truncated', mayHaveRun: true });
    expect(relay.ran.length).toBe(1);
  },
);

test('ended cleanly before the final chunk: the body errors', async () => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.intermediary = async (call) => {
    if (!call.header) return call.forward();
    const response = await wholeOf(call);
    return { ...response, body: response.body.subarray(0, response.body.length - 20) };
  };
  const response = await client.fetch('/');
  await expect(response.text()).rejects.toMatchObject({ name: 'RelayClientError', code: 'response-truncated' });
});

test.each([0, 15, 16, 17, 30])(
  'bit flipped in byte %d, before the head is whole: fetch never resolves with it',
  async (at) => {
    const { relay, client } = await setUp();
    relay.upstream = streamed;
    relay.intermediary = async (call) => {
      if (!call.header) return call.forward();
      const response = await wholeOf(call);
      response.body[at] = (response.body[at] as number) ^ 1;
      return response;
    };
    await expect(client.fetch('/')).rejects.toBeInstanceOf(TypeError);
  },
);

test.each([60, 1000, 1070, 2080, 2095])('bit flipped in byte %d, behind the head: the body errors', async (at) => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.intermediary = async (call) => {
    if (!call.header) return call.forward();
    const response = await wholeOf(call);
    expect(at).toBeLessThan(response.body.length);
    response.body[at] = (response.body[at] as number) ^ 1;
    return response;
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
  relay.intermediary = async (call) =>
    call.header ? { ...(await wholeOf(call)), cutAtBytes: 40_000 } : call.forward();
  const response = await client.fetch('/');
  await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-truncated' });
});

test('chunks in another order: the body errors', async () => {
  const { relay, client } = await setUp();
  relay.upstream = streamed;
  relay.intermediary = async (call) => {
    if (!call.header) return call.forward();
    const response = await wholeOf(call);
    const { body } = response;
    const headEnd = 16 + 1 + (body[16] as number);
    const chunk = 2 + 1002 + 16;
    const swapped = Buffer.concat([
      body.subarray(0, headEnd),
      body.subarray(headEnd + chunk, headEnd + 2 * chunk),
      body.subarray(headEnd, headEnd + chunk),
      body.subarray(headEnd + 2 * chunk),
    ]);
    return { ...response, body: new Uint8Array(swapped) };
  };
  const response = await client.fetch('/');
  await expect(response.arrayBuffer()).rejects.toMatchObject({ code: 'response-unopenable' });
});

test('a call does not get the response to another call', async () => {
  const { relay, client } = await setUp();
  relay.upstream = ({ path }) => ({ content: `secret of ${path}` });
  await (await client.fetch('/warm')).text();
  const buffered: { response: Uint8Array<ArrayBuffer>; give: (response: IntermediaryResponse) => void }[] = [];
  relay.intermediary = (call) => {
    if (call.header?.type !== MESSAGE_TYPE_EXCHANGE || buffered.length >= 2) return call.forward();
    return new Promise((give) => {
      void call.forward().then(async (response) => {
        buffered.push({ response: await collected(response), give });
        if (buffered.length < 2) return;
        const [a, b] = buffered as [(typeof buffered)[0], (typeof buffered)[0]];
        a.give({ ...response, body: b.response });
        b.give({ ...response, body: a.response });
      });
    });
  };
  const results = await Promise.allSettled(['/a', '/b'].map((path) => client.fetch(path, { method: 'POST' })));
  for (const result of results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'may-have-run' } });
  }
  expect(relay.ran.length).toBe(3);
});

test('a recorded response does not open for a second call with the same request', async () => {
  const { relay, client } = await setUp();
  let recorded: IntermediaryResponse | undefined;
  relay.intermediary = async (call) => {
    if (!call.header) return call.forward();
    recorded ??= await call.forward();
    return recorded;
  };
  expect((await client.fetch('/balance')).status).toBe(200);
  await expect(client.fetch('/balance')).rejects.toMatchObject({ code: 'response-unopenable' });
});

test('a cut response with a null body rejects, since it has no stream to error', async () => {
  const { relay, client } = await setUp();
  relay.upstream = () => ({ status: 204, content: inPieces([]) });
  relay.intermediary = async (call) => {
    if (!call.header) return call.forward();
    const response = await wholeOf(call);
    return { ...response, body: response.body.subarray(0, response.body.length - 19) };
  };
  await expect(client.fetch('/', { method: 'POST' })).rejects.toMatchObject({ code: 'response-truncated' });
  expect(relay.ran.length).toBe(1);
});

test('a refusal outside the seal never becomes a Response', async () => {
  const { relay, client } = await setUp();
  relay.intermediary = async (call) => (call.header ? refusal('origin-refused') : call.forward());
  await expect(client.fetch('/')).rejects.toMatchObject({ code: 'relay-refused', outerCode: 'origin-refused' });
});
