// Plays the calls of client-calls.json with the client of apps: an intermediary in front of a small relay gives it what
// the script says of each outer message, and notes them.
import { createRelayClient } from '@mte-relay/client';
import {
  MESSAGE_HEADER_BYTES,
  MESSAGE_TYPE_CANCEL,
  type MessageHeader,
  OUTER_STATUS,
  type OuterCode,
  parseMessageHeader,
} from '@mte-relay/protocol';
import { freePort } from '@mte-relay/testing/free-port';
import { refusal, sealedResponse } from '@mte-relay/testing/mini-relay';
import { bytes, type IntermediaryResponse, type OuterCall, TestRelay } from '@mte-relay/testing/test-relay';
import { until } from '@mte-relay/testing/until';
import type { ClientCallCase } from '../format.ts';
import type {
  CancelOutcome,
  End,
  ExchangeOutcome,
  Outcome,
  PairingOutcome,
  Played,
  StoreFacts,
} from '../twin/client.ts';

const EPOCH_MS = 1_790_000_000_000;
const HOUR_MS = 3_600_000;
const LINEAGES = {
  'the same': new Uint8Array(16).fill(1),
  another: new Uint8Array(16).fill(2),
  zeros: new Uint8Array(16),
};
const EPOCHS = { newer: EPOCH_MS + 1, 'the same': EPOCH_MS, older: EPOCH_MS - 1, zero: 0 };
const SEEDS = { 'the same': 1, 'another pinned one': 2 };
/** What is sent behind the end of a call is sent by then. */
const GRACE_MS = 60;

/** Plays one case. The client sends over a real socket; a connection that is not made is refused by this machine. */
export async function playCase(one: ClientCallCase): Promise<Played> {
  const way = new Way(one);
  try {
    return await way.play();
  } finally {
    await way.stop();
  }
}

class Way {
  readonly #case: ClientCallCase;
  readonly #controller = new AbortController();
  readonly #sids: string[] = [];
  readonly #sends: string[] = [];
  readonly #afterwards: string[] = [];
  readonly #held: OuterCall[] = [];
  #relay: TestRelay | undefined;
  #close = (): void => {};
  #ended = false;
  #lineage: keyof typeof LINEAGES;

  constructor(one: ClientCallCase) {
    this.#case = one;
    this.#lineage = one.call.lineage === 'some' ? 'the same' : 'zeros';
  }

  async play(): Promise<Played> {
    const { method, body } = this.#case.call;
    const other = await TestRelay.start(SEEDS['another pinned one']);
    await other.stop();
    const relay = await TestRelay.start(SEEDS['the same']);
    this.#relay = relay;
    relay.upstream = (call) => ({ content: call.method === 'HEAD' ? '' : 'ok' });
    relay.parameters = { lineage: LINEAGES[this.#lineage], storeEpochMs: EPOCH_MS, storeAgeMs: HOUR_MS };
    const client = createRelayClient(relay.url, { pins: [relay.pin, other.pin], fetch: (...of) => this.#fetch(...of) });
    this.#close = () => client.close();
    await client.pair();
    relay.intermediary = (call) => this.#pass(call);
    const init = { method, body: bodyOf(body), signal: this.#controller.signal, duplex: 'half' } as RequestInit;
    const end = await client.fetch('/pay', init).then(endOf, errorOf);
    this.#ended = true;
    await until(() => this.#afterwards.length >= this.#case.afterwards.length, 5_000).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    // A safe request may run later; anything else that is still held must not.
    if (!['GET', 'HEAD', 'OPTIONS'].includes(method)) for (const held of this.#held) await held.forward();
    return { sends: this.#sends, end, afterwards: this.#afterwards, runs: relay.ran.length };
  }

  async stop(): Promise<void> {
    this.#close();
    await this.#relay?.stop();
  }

  /** Notes a message and gives its outcome; undefined where the script has none, and everything arrives. */
  #note(message: string): Outcome | undefined {
    if (this.#ended) return void this.#afterwards.push(message);
    const at = this.#sends.push(message) - 1;
    if (at !== this.#case.call.abortAt) return this.#case.way[at];
    this.#controller.abort();
    return { gets: 'nothing' };
  }

  /** "exchange S.N" or "cancel S.N of": what a cancel names is sealed, and added by {@link #pass}. */
  #labelOf({ type, sid, n }: MessageHeader): string {
    const id = sid.join();
    if (!this.#sids.includes(id)) this.#sids.push(id);
    const number = `${this.#sids.indexOf(id)}.${n}`;
    return type === MESSAGE_TYPE_CANCEL ? `cancel ${number}` : `exchange ${number}`;
  }

  async #pass(call: OuterCall): Promise<IntermediaryResponse | undefined> {
    if (call.path === '/api/mte-pair') return await this.#pair(call);
    if (!call.header) return await call.forward();
    const label = this.#labelOf(call.header);
    if (call.header.type === MESSAGE_TYPE_CANCEL) return await this.#cancel(call, label);
    return await this.#exchange(call, this.#note(label) as ExchangeOutcome | undefined);
  }

  async #exchange(call: OuterCall, outcome: ExchangeOutcome = { gets: 'the response' }) {
    const { gets, delivered } = outcome;
    const relay = this.#relay as TestRelay;
    if (gets === 'stale') relay.aheadMs = this.#aheadMs += HOUR_MS;
    if (gets === 'the response' || gets === 'stale') return await call.forward();
    if (delivered) await call.forward();
    else this.#held.push(call);
    return responseOf(gets as Exclude<typeof gets, 'no connection'>);
  }
  #aheadMs = 0;

  async #cancel(call: OuterCall, label: string): Promise<IntermediaryResponse | undefined> {
    const outcome = (this.#note(`${label} of ${this.#lastExchange(label)}`) ?? { gets: 'the result' }) as CancelOutcome;
    if (outcome.lost) this.#relay?.forgetSessions();
    if (outcome.gets === 'the result') return await call.forward();
    if (outcome.delivered) await call.forward();
    return responseOf(outcome.gets);
  }

  /** The number that a cancel is of: that of the last exchange in its session. */
  #lastExchange(label: string): string {
    const session = label.split(/[ .]/)[1];
    const exchanges = this.#sends.filter((sent) => sent.startsWith(`exchange ${session}.`));
    return (exchanges.at(-1) ?? '').split('.')[1] ?? '';
  }

  #pairing: PairingOutcome | undefined;

  /** A relay with another key refuses the pairing first, and the client fetches discovery again: one pairing. */
  async #pair(call: OuterCall): Promise<IntermediaryResponse | undefined> {
    const relay = this.#relay as TestRelay;
    this.#pairing ??= (this.#note('pair') ?? { gets: 'a session' }) as PairingOutcome;
    const { gets, parameters } = this.#pairing;
    if (gets !== 'a session') {
      this.#pairing = undefined;
      return responseOf(gets);
    }
    await this.#become(relay, parameters);
    const response = await call.forward();
    if (response.status === 200) this.#pairing = undefined;
    return response;
  }

  async #become(relay: TestRelay, { lineage = 'the same', epoch = 'newer', age = 'longer', pin }: StoreFacts = {}) {
    if (lineage !== 'the same') this.#lineage = lineage;
    const storeAgeMs = age === 'longer' ? HOUR_MS : 0;
    relay.parameters = { lineage: LINEAGES[this.#lineage], storeEpochMs: EPOCHS[epoch], storeAgeMs };
    if (pin) await relay.useKey(SEEDS[pin]);
  }

  /** Sends over the wire, or where nothing listens: then the client knows that nothing left its machine. */
  async #fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const next = this.#case.way[this.#sends.length];
    const isMessage = this.#relay?.intermediary && new URL(`${input}`).pathname === '/api/mte';
    if (this.#ended || !isMessage || next?.gets !== 'no connection') return await fetch(input, init);
    this.#note(this.#labelOf(await headerOf(init?.body)));
    return await fetch(`http://localhost:${await freePort()}`, { method: 'POST', body: 'x' });
  }
}

function bodyOf(kind: ClientCallCase['call']['body']): BodyInit | undefined {
  if (kind === 'none') return undefined;
  if (kind === 'stream') return new Blob(['amount=1']).stream();
  return kind === 'whole' ? 'amount=1' : 'x'.repeat(100_000);
}

async function headerOf(body: BodyInit | null | undefined): Promise<MessageHeader> {
  const { value } = await (new Response(body).body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader().read();
  return parseMessageHeader((value as Uint8Array<ArrayBuffer>).subarray(0, MESSAGE_HEADER_BYTES));
}

function responseOf(gets: 'nothing' | 'garbage' | 'html' | number): IntermediaryResponse | undefined {
  if (gets === 'nothing') return undefined;
  if (gets === 'garbage') return sealedResponse(new Uint8Array(500)); // a final chunk whose tag does not verify
  if (gets === 'html') return { status: 200, headers: { 'content-type': 'text/html' }, body: bytes('<p>') };
  const code = Object.entries(OUTER_STATUS).find(([, status]) => status === gets)?.[0];
  return refusal(code as OuterCode);
}

async function endOf(response: Response): Promise<End> {
  await response.text();
  return { status: response.status };
}

function errorOf(error: Error & { code?: string; mayHaveRun?: boolean }): End {
  if (error.name === 'AbortError') return { error: 'aborted' };
  if (error.code === undefined) throw error;
  return { error: error.code, mayHaveRun: error.mayHaveRun === true };
}
