// Every fetch case in this Node: through a real relay by the client, and straight to the backend by the platform's own
// fetch, so that the cases state what fetch does.
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import type { Relay } from '@mte-relay/server';
import { relayTo } from '@mte-relay/testing/relay';
import { urlOf } from '@mte-relay/testing/servers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CaseBackend, startCaseBackend } from './backend.ts';
import { FETCH_CASES } from './cases.ts';
import { differences, platformExpectation } from './judge.ts';
import { runFetchCase } from './run.ts';

let backend: CaseBackend;
let relay: Relay;
let relayUrl: string;
let client: RelayClient;

beforeAll(async () => {
  backend = await startCaseBackend(FETCH_CASES);
  relay = relayTo(backend.url);
  relayUrl = urlOf(await relay.listen(0));
  client = createRelayClient(relayUrl, { pins: [relay.pin] });
});

afterAll(async () => {
  client?.close();
  await relay?.close();
  backend?.close();
});

test('every case has a name of its own', () => {
  expect(new Set(FETCH_CASES.map(({ name }) => name)).size).toBe(FETCH_CASES.length);
});

const cases = FETCH_CASES.map((fetchCase, index) => ({ name: fetchCase.name, fetchCase, index }));

describe('by the relay client', () => {
  test.each(cases)('$name', async ({ fetchCase, index }) => {
    const base = relayUrl + backend.casePath(index);
    const outcome = await runFetchCase(client.fetch, base, fetchCase);
    expect(await differences(fetchCase, base, outcome, backend.take(index))).toEqual([]);
  });
});

describe("by the platform's own fetch", () => {
  test.each(cases)('$name', async ({ fetchCase, index }) => {
    const base = backend.url + backend.casePath(index);
    const outcome = await runFetchCase(fetch, base, fetchCase);
    expect(await differences(platformExpectation(fetchCase), base, outcome, backend.take(index))).toEqual([]);
  });
});
