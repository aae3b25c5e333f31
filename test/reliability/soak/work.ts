// The kinds of work of a soak campaign: everything that apps do with a client, the untidy ways included.
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import type { Random } from '../random.ts';
import { LARGE_BYTES } from './upstream.ts';

const CONTENT_MAX_BYTES = 100_000;
const MESSAGES = 5;
const EVENTS = 3;

/** What a piece of work may use. */
export interface Tools {
  readonly random: Random;
  /** The client of the whole campaign. */
  readonly client: RelayClient;
  /** A client of its own, whose session counts as used unless it is said otherwise. */
  newClient(used?: boolean): RelayClient;
}

type Work = (tools: Tools) => Promise<void>;

const content = (random: Random): Uint8Array<ArrayBuffer> => new Uint8Array(random.between(1, CONTENT_MAX_BYTES));

async function expectBytes(response: Response, bytes: number): Promise<void> {
  const { byteLength } = await response.arrayBuffer();
  if (response.status !== 200 || byteLength !== bytes) throw new Error(`${response.status} with ${byteLength} bytes`);
}

/** Kinds by name, with their weights. */
export const WEIGHTS = {
  'GET, small': 30,
  'POST, up to 100 kB': 30,
  'POST, streamed': 5,
  'response streamed': 5,
  'response read in part': 4,
  'response left unread': 4,
  'call aborted': 8,
  WebSocket: 4,
  EventSource: 3,
  'session replaced': 1,
  'client made, used and closed': 1,
  'client closed with calls in progress': 1,
  'client paired and closed unused': 1,
} as const;

export const WORK: Readonly<Record<keyof typeof WEIGHTS, Work>> = {
  'GET, small': async ({ client }) => expectBytes(await client.fetch('/small'), 'small'.length),
  'POST, up to 100 kB': async ({ client, random }) => {
    const body = content(random);
    await expectBytes(await client.fetch('/echo', { method: 'POST', body }), body.length);
  },
  'POST, streamed': async ({ client, random }) => {
    const bytes = content(random);
    const body = new Blob([bytes]).stream();
    await expectBytes(await client.fetch('/echo', { method: 'POST', body, duplex: 'half' }), bytes.length);
  },
  'response streamed': async ({ client }) => expectBytes(await client.fetch('/stream'), LARGE_BYTES),
  'response read in part': async ({ client }) => {
    const { body } = await client.fetch('/stream');
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
  },
  'response left unread': async ({ client }) => {
    await client.fetch('/large');
  },
  'call aborted': async ({ client, random }) => {
    const signal = AbortSignal.timeout(random.between(1, 60));
    const call = client.fetch('/slow', { method: 'POST', body: 'late', signal });
    await call.then(
      () => undefined,
      (error: Error) => {
        if (error.name !== 'TimeoutError') throw error;
      },
    );
  },
  WebSocket: async ({ client }) => {
    const socket = new client.WebSocket('/chat');
    let received = 0;
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send('hello');
      socket.onmessage = () => {
        received += 1;
        if (received < MESSAGES) socket.send('hello');
        else socket.close();
      };
      socket.onclose = () => (received === MESSAGES ? resolve() : reject(new Error(`closed after ${received}`)));
    });
  },
  EventSource: async ({ client }) => {
    const source = new client.EventSource('/events');
    let received = 0;
    await new Promise<void>((resolve, reject) => {
      source.onerror = () => reject(new Error(`failed after ${received} events`));
      source.onmessage = () => {
        received += 1;
        if (received === EVENTS) resolve();
      };
    }).finally(() => source.close());
  },
  'session replaced': async ({ client }) => client.pair(),
  'client made, used and closed': async ({ newClient }) => {
    const client = newClient();
    await expectBytes(await client.fetch('/small'), 'small'.length);
    await expectBytes(await client.fetch('/large'), LARGE_BYTES);
    client.close();
  },
  'client closed with calls in progress': async ({ newClient }) => {
    const client = newClient();
    await expectBytes(await client.fetch('/small'), 'small'.length);
    await client.fetch('/large'); // unread
    const calls = Array.from({ length: 3 }, () => client.fetch('/slow').catch(() => undefined));
    await sleep(10);
    client.close();
    await Promise.all(calls);
  },
  'client paired and closed unused': async ({ newClient }) => {
    const client = newClient(false);
    await client.pair();
    client.close();
  },
};

/** Clients of a campaign, and how many sessions they have had. */
export class ClientMaker {
  readonly #url: string;
  readonly #pin: string;
  paired = 0;
  used = 0;

  constructor(url: string, pin: string) {
    this.#url = url;
    this.#pin = pin;
  }

  make(used = true): RelayClient {
    const client = createRelayClient(this.#url, { pins: [this.#pin] });
    const count = (): void => {
      this.paired += 1;
      if (used) this.used += 1;
    };
    client.on('pair', count);
    client.on('rekey', count);
    return client;
  }
}
