import { concatBytes, encodeCancel, MESSAGE_TYPE_CANCEL, SealedExchange } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import { beginPairing, openResponse, plaintextOf, SealedClient, send } from '@mte-relay/testing/sealed-client';
import { TEST_ORIGIN } from '@mte-relay/testing/settings';
import { stage } from '@mte-relay/testing/stage';
import { describe, expect, test } from 'vitest';

const MESSAGE = { 'content-type': 'application/mte-relay' };
const PAIRING = { 'content-type': 'application/mte-relay-pairing' };

describe('before a message is authenticated', () => {
  test.each([
    'application/json',
    'application/mte-relay;',
    'application/mte-relay ; x=1',
    'APPLICATION/MTE-RELAY',
    'text/plain',
  ])('content type %s is refused with 415', async (type) => {
    const { port, seen } = await stage();
    const response = await send(port, '/api/mte', { headers: { 'content-type': type }, body: new Uint8Array(60) });
    expect(response).toMatchObject({ status: 415, code: 'media-type-unsupported' });
    expect((await send(port, '/api/mte-pair', { headers: { 'content-type': type } })).status).toBe(415);
    expect(seen).toHaveLength(0);
  });

  test.each([
    'https://app.example.evil',
    'https://xapp.example',
    'null',
    'http://app.example',
    'https://app.example:8443',
  ])('a page of origin %s can neither pair nor exchange', async (origin) => {
    const { port } = await stage();
    for (const [path, headers] of [
      ['/api/mte', MESSAGE],
      ['/api/mte-pair', PAIRING],
    ] as const) {
      const response = await send(port, path, { headers: { ...headers, origin }, body: new Uint8Array(60) });
      expect(response).toMatchObject({ status: 403, code: 'origin-refused' });
      expect(response.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  test('a listed origin gets its own name, credentials and Vary, and one preflight lasts two hours', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const { outer } = await client.fetch({}, { origin: TEST_ORIGIN });
    expect(outer.headers).toMatchObject({
      'access-control-allow-origin': TEST_ORIGIN,
      'access-control-allow-credentials': 'true',
      vary: 'Origin',
    });
    const preflight = await send(port, '/api/mte', {
      method: 'OPTIONS',
      headers: {
        origin: TEST_ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': TEST_ORIGIN,
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '7200',
    });
  });

  test.each(['GET', 'PUT', 'DELETE'])('%s gets 405 with Allow', async (method) => {
    const { port } = await stage();
    const response = await send(port, '/api/mte', { method, headers: MESSAGE });
    expect(response).toMatchObject({ status: 405, code: 'method-not-allowed' });
    expect(response.headers.allow).toBe('POST, OPTIONS');
  });

  test('an unknown session gets 401 session-unknown', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const other = new SealedExchangeOf(client);
    expect(await client.post(await other.message())).toMatchObject({ status: 401, code: 'session-unknown' });
  });

  test('a message number beyond the session’s limit gets what an unknown session gets', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(plaintextOf({}), 1, client.parameters.messageLimit);
    expect(await client.post(message)).toMatchObject({ status: 401, code: 'session-unknown' });
    expect(seen).toHaveLength(0);
  });

  test('a request that is truncated at any byte is refused and runs nothing', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x' }));
    for (let length = 0; length < message.length; length += 1) {
      const response = await client.post(message.subarray(0, length));
      const code = length < 43 ? 'malformed' : 'unopenable';
      expect(response, `${length} of ${message.length} bytes`).toMatchObject({ status: 400, code });
    }
    expect(seen).toHaveLength(0);
    expect((await client.post(message)).status).toBe(200); // none of them claimed the number
  });

  test('a request with any one byte changed is refused with the code of what it then is, and runs nothing', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'x' }));
    for (let at = 0; at < message.length; at += 1) {
      const changed = message.slice();
      changed[at] = (changed[at] as number) ^ 0x80;
      const response = await client.post(changed);
      expect([400, 401, 413, 426], `byte ${at}`).toContain(response.status);
      if (at === 0) expect(response.code).toBe('version-unsupported');
      if (at === 1) expect(response.code).toBe('malformed');
      if (at >= 2 && at < 18) expect(response.code).toBe('session-unknown');
      if (at >= 26 && at < 42) expect(response.code).toBe('unopenable');
      if (at > 42) expect(response.code).toBe('unopenable');
    }
    expect(seen).toHaveLength(0);
  });

  test('a replayed request gets 409 and runs once', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'pay' }));
    expect((await client.post(message)).status).toBe(200);
    for (let again = 0; again < 5; again += 1) {
      expect(await client.post(message)).toMatchObject({ status: 409, code: 'replayed' });
    }
    expect(seen).toHaveLength(1);
  });

  test('one message sent ten times at once runs once', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(plaintextOf({ method: 'POST', body: 'pay' }));
    const responses = await Promise.all(Array.from({ length: 10 }, () => client.post(message)));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(9).fill(409)]);
    expect(seen).toHaveLength(1);
  });

  test('a number behind the window is refused, however new its message is', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    await client.post((await client.seal(plaintextOf({}), 1, 5000)).message);
    expect(await client.post((await client.seal(plaintextOf({}), 1, 5000 - 1024)).message)).toMatchObject({
      status: 409,
    });
    expect((await client.post((await client.seal(plaintextOf({}), 1, 5000 - 1023)).message)).status).toBe(200);
    expect(seen).toHaveLength(2);
  });

  test('a forged number does not move the window', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const forged = (await client.seal(plaintextOf({}), 1, 3)).message.slice();
    forged[23] = 0x0f; // n becomes 983,043 and the tag no longer verifies
    expect(await client.post(forged)).toMatchObject({ status: 400, code: 'unopenable' });
    expect((await client.post((await client.seal(plaintextOf({}), 1, 0)).message)).status).toBe(200);
  });

  test('the response to one request does not open another', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const first = await client.seal(plaintextOf({ path: '/1' }));
    const second = await client.seal(plaintextOf({ path: '/2' }));
    const response = await client.post(first.message);
    await expect(openResponse(second.exchange, response)).rejects.toMatchObject({ code: 'unopenable' });
    expect((await openResponse(first.exchange, response)).head.status).toBe(200);
  });

  test('a pairing request that is truncated or changed anywhere is refused', async () => {
    const { port } = await stage();
    const whole = (await beginPairing(port)).message;
    expect((await send(port, '/api/mte-pair', { headers: PAIRING, body: whole })).status).toBe(200);
    for (let at = 0; at < whole.length; at += at < 64 ? 1 : 97) {
      const truncated = await send(port, '/api/mte-pair', { headers: PAIRING, body: whole.subarray(0, at) });
      expect(truncated, `${at} bytes`).toMatchObject({ status: 400, code: 'malformed' });
      const changed = whole.slice();
      changed[at] = (changed[at] as number) ^ 1;
      const response = await send(port, '/api/mte-pair', { headers: PAIRING, body: changed });
      expect([400, 422, 426], `byte ${at}: ${response.code}`).toContain(response.status);
    }
  });

  test('a pairing request that is too long is refused before it is read whole', async () => {
    const { port } = await stage();
    const response = await send(port, '/api/mte-pair', { headers: PAIRING, body: new Uint8Array(100_000) }).catch(
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(response === 'ECONNRESET' || response === 'EPIPE' || (response as { status: number }).status === 413).toBe(
      true,
    );
  });

  test('nothing is served outside the endpoints and the pass-through routes', async () => {
    const { port, seen } = await stage();
    for (const path of ['/', '/api', '/api/mte/', '/api/mte?x', '/other']) {
      expect(await send(port, path, { method: 'GET' }), path).toMatchObject({ status: 404, code: 'not-found' });
    }
    expect(seen).toHaveLength(0);
  });
});

describe('a cancel', () => {
  test('of a free number returns cancelled, and its message can then not run', async () => {
    const { port, seen } = await stage();
    const client = await SealedClient.pair(port);
    const late = await client.seal(plaintextOf({ method: 'POST', body: 'pay' }));
    expect(await client.cancel(late.n)).toBe(true);
    expect(await client.post(late.message)).toMatchObject({ status: 409, code: 'replayed' });
    expect(seen).toHaveLength(0);
  });

  test('of a number that ran returns claimed', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const { message, n } = await client.seal(plaintextOf({ method: 'POST', body: 'pay' }));
    await client.post(message);
    expect(await client.cancel(n)).toBe(false);
  });

  test('itself runs once, and a malformed one is refused', async () => {
    const { port } = await stage();
    const client = await SealedClient.pair(port);
    const { message } = await client.seal(encodeCancel(7), MESSAGE_TYPE_CANCEL);
    expect((await client.post(message)).status).toBe(200);
    expect((await client.post(message)).status).toBe(409);
    const short = await client.seal(new Uint8Array(7), MESSAGE_TYPE_CANCEL);
    expect(await client.post(short.message)).toMatchObject({ status: 400, code: 'malformed' });
  });
});

/** A message of a session that the relay does not have, sealed with keys that exist. */
class SealedExchangeOf {
  readonly #client: SealedClient;

  constructor(client: SealedClient) {
    this.#client = client;
  }

  async message(): Promise<Uint8Array<ArrayBuffer>> {
    const keys = { ...this.#client.keys, sid: new Uint8Array(16).fill(9) };
    const exchange = await SealedExchange.begin(nodeSuite(), keys, 1, 0);
    return concatBytes([exchange.header, await exchange.sealFinal(plaintextOf({}))]);
  }
}
