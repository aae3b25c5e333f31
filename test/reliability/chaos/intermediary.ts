// The intermediary of a chaos campaign: a load balancer for the clients, and their adversary. It passes a message on, cuts
// it off at any point, withholds it and delivers it later, delivers copies, and forges refusals and responses. It cannot
// open anything.
import { Agent, type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGE_TYPE_CANCEL, PATH_EXCHANGE, parseMessageHeader } from '@mte-relay/protocol';
import { contentOf } from '@mte-relay/testing/content';
import type { Random } from '../random.ts';
import { CALL_FIELD } from './calls.ts';
import { CuttableServer } from './cuttable-server.ts';
import type { Trace } from './trace.ts';

/** What happens to a message, by weight. */
const TREATMENTS = {
  passed: 900,
  delayed: 10,
  'cut before the request': 7,
  'cut inside the request': 7,
  'cut behind the request': 8,
  'response lost': 10,
  'cut inside the response': 8,
  'response replaced by a refusal': 12,
  'response of another message': 5,
  withheld: 18,
  copied: 15,
} as const;
export type Treatment = keyof typeof TREATMENTS;

/** Refusals as a relay or another intermediary sends them. */
const REFUSALS: readonly { readonly status: number; readonly code?: string }[] = [
  { status: 401, code: 'session-unknown' },
  { status: 401 },
  { status: 409, code: 'replayed' },
  { status: 421 },
  { status: 429, code: 'too-many' },
  { status: 502 },
  { status: 502, code: 'upstream-unreachable' },
  { status: 503, code: 'unavailable' },
  { status: 503 },
];
const DELAY_MAX_MS = 300;
/** Of messages kept for later. */
const KEPT_MAX = 300;
const KEPT_MAX_BYTES = 65_536;
/** Of kept messages delivered to a relay that has just started. */
const REDELIVERED = 12;
const DELIVERY_MAX_MS = 10_000;
/** Where a client stays at one relay: how often it is led to another when its connection was cut. */
const LED_ON_SHARE = 0.3;

/** A message as it came. */
interface Message {
  readonly call: string | undefined;
  /** For the trace: "exchange 7". */
  readonly name: string;
  readonly head: { readonly method: string; readonly path: string; readonly headers: IncomingMessage['headers'] };
  readonly content: Buffer;
}

export interface IntermediaryOptions {
  readonly random: Random;
  readonly trace: Trace;
  readonly relayPorts: readonly number[];
  /** True: consecutive messages go to the relays in turn. False: a client stays at one, until it is led to another. */
  readonly inTurn: boolean;
  /** A message that is delivered after this long must not run any more. */
  readonly tooOldAfterMs: number;
}

export class Intermediary {
  readonly #options: IntermediaryOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 512 });
  readonly #sources: Source[] = [];
  readonly #kept: Message[] = [];
  readonly #late = new Set<Promise<void>>();
  #otherResponse: { headers: string[]; content: Buffer } | undefined;
  #losing: Promise<void> | undefined;
  #turn = 0;
  /** Treatments other than passing, by name. */
  readonly counts = new Map<Treatment, number>();

  constructor(options: IntermediaryOptions) {
    this.#options = options;
  }

  /** A new address that leads to the relays. */
  async open(): Promise<string> {
    const source = new Source(this.#sources.length % this.#options.relayPorts.length, (req, res) =>
      this.#handle(source, req, res),
    );
    this.#sources.push(source);
    await source.listen();
    return source.url;
  }

  /** Cuts every connection of clients; those to the relays follow. */
  cut(): void {
    for (const source of this.#sources) source.cut();
  }

  /** Refuses connections of clients for a while. */
  async refuse(forMs: number): Promise<void> {
    await Promise.all([...this.#sources.map((source) => source.refuse()), sleep(forMs)]);
    await Promise.all(this.#sources.map((source) => source.listen()));
  }

  /** Leads every client to another relay. */
  leadOn(): void {
    for (const source of this.#sources) this.#leadOn(source);
  }

  /** Until the work is done, relays get every message and clients no response; then their connections are cut. */
  async responsesLostDuring(work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#losing = promise;
    try {
      await work();
    } finally {
      this.#losing = undefined;
      resolve();
    }
  }

  /** Delivers messages of before, as an intermediary that has recorded them does: to this relay. */
  async redeliver(relay: number): Promise<void> {
    const chosen = this.#options.random.shuffled(this.#kept).slice(0, REDELIVERED);
    await Promise.all(chosen.map((message) => this.#deliver(message, relay, 'delivered again')));
  }

  /** Resolves when nothing is withheld any more. */
  async settled(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  close(): void {
    for (const source of this.#sources) source.close();
    this.#agent.destroy();
  }

  #leadOn(source: Source): void {
    source.relay = (source.relay + 1) % this.#options.relayPorts.length;
  }

  #relayFor(source: Source): number {
    if (!this.#options.inTurn) return source.relay;
    this.#turn += 1;
    return this.#turn % this.#options.relayPorts.length;
  }

  async #handle(source: Source, req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.#losing !== undefined && req.url === PATH_EXCHANGE) return this.#loseResponse(this.#losing, source, req);
    const treatment = req.url === PATH_EXCHANGE ? this.#options.random.weighted(TREATMENTS) : 'passed';
    if (treatment === 'passed') return this.#pass(source, req, res);
    this.counts.set(treatment, (this.counts.get(treatment) ?? 0) + 1);
    if (treatment === 'cut before the request') return this.#cutOff(source, req);
    const message = messageOf(req, await contentOf(req));
    this.#note(message, treatment);
    await this.#mistreat(treatment, source, message, req, res);
  }

  async #loseResponse(until: Promise<void>, source: Source, req: IncomingMessage): Promise<void> {
    const message = messageOf(req, await contentOf(req));
    const delivery = this.#deliver(message, this.#relayFor(source), 'its response lost with others');
    await until;
    req.socket.resetAndDestroy();
    await delivery;
  }

  async #mistreat(
    treatment: Exclude<Treatment, 'passed' | 'cut before the request'>,
    source: Source,
    message: Message,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const { random } = this.#options;
    const relay = this.#relayFor(source);
    switch (treatment) {
      case 'delayed':
        await sleep(random.between(1, DELAY_MAX_MS));
        return this.#passWhole(relay, message, req, res);
      case 'cut inside the request':
        await this.#sendHalf(relay, message);
        return this.#cutOff(source, req);
      case 'cut behind the request':
        await this.#sendWithoutReading(relay, message);
        return this.#cutOff(source, req);
      case 'response lost':
        await this.#deliver(message, relay, 'its response lost');
        return this.#cutOff(source, req);
      case 'cut inside the response':
        return this.#passWhole(relay, message, req, res, (content) => content.subarray(0, content.length / 2));
      case 'response replaced by a refusal':
        await this.#deliver(message, relay, 'its response replaced');
        return this.#refuse(source, res);
      case 'response of another message':
        await this.#deliver(message, relay, 'its response replaced');
        return this.#respondOtherwise(source, req, res);
      case 'withheld':
        this.#later(message, 'delivered late');
        return random.chance(0.3) ? this.#cutOff(source, req) : this.#refuse(source, res);
      case 'copied':
        this.#later(message, 'a copy delivered');
        return this.#passWhole(relay, message, req, res);
    }
  }

  /** Passes on what arrives as it arrives. A relay that refuses the connection is passed over. */
  #pass(source: Source, req: IncomingMessage, res: ServerResponse): void {
    const { relayPorts } = this.#options;
    const call = req.headers[CALL_FIELD] as string | undefined;
    const parts: Buffer[] = [];
    let relay = this.#relayFor(source);
    let out: ClientRequest;
    const connect = (passedOver: number): void => {
      out = this.#request(relay, { method: req.method as string, path: req.url as string, headers: req.headers });
      out.on('response', (response) => {
        this.#passResponse(response, res);
        this.#noteCall(call, `passed to relay ${relay}, which responds ${response.statusCode}`);
      });
      out.on('error', (error: NodeJS.ErrnoException) => {
        if (res.headersSent || res.destroyed) return void res.destroy();
        this.#noteCall(call, `passed to relay ${relay}, which fails with ${error.code}`);
        if (error.code !== 'ECONNREFUSED') return this.#lose(source, req, res);
        if (passedOver + 1 >= relayPorts.length) return this.#respond(res, 502);
        relay = (relay + 1) % relayPorts.length;
        source.relay = relay;
        connect(passedOver + 1);
      });
      for (const part of parts) out.write(part);
      if (req.complete) out.end();
    };
    req.on('data', (part: Buffer) => {
      parts.push(part);
      out.write(part);
    });
    req.on('end', () => {
      out.end();
      if (req.url === PATH_EXCHANGE) this.#keep(messageOf(req, Buffer.concat(parts)));
    });
    req.on('error', () => undefined);
    res.on('close', () => {
      if (!res.writableFinished) out.destroy();
    });
    connect(0);
  }

  #passResponse(response: IncomingMessage, res: ServerResponse): void {
    res.writeHead(response.statusCode as number, response.rawHeaders);
    response.pipe(res);
    response.on('error', () => res.destroy());
  }

  /** The relay's connection closed before its response: balancers respond 502, or close too. */
  #lose(source: Source, req: IncomingMessage, res: ServerResponse): void {
    if (this.#options.random.chance(0.5)) this.#respond(res, 502);
    else this.#cutOff(source, req);
  }

  async #passWhole(
    relay: number,
    message: Message,
    req: IncomingMessage,
    res: ServerResponse,
    cut?: (content: Buffer) => Buffer,
  ): Promise<void> {
    const response = await this.#responseTo(message, relay);
    if (!response) return void req.socket.destroy();
    const { status, headers, content } = response;
    if (!cut) {
      if (status === 200) this.#otherResponse = { headers, content };
      res.writeHead(status, headers);
      return void res.end(content);
    }
    res.writeHead(status, headers);
    res.write(cut(content));
    await sleep(1);
    req.socket.destroy();
  }

  async #deliver(message: Message, relay: number, how: string): Promise<void> {
    const response = await this.#responseTo(message, relay);
    this.#note(
      message,
      `${how} to relay ${relay}, which ${response ? `responds ${response.status}` : 'does not respond'}`,
    );
  }

  async #responseTo(
    message: Message,
    relay: number,
  ): Promise<{ status: number; headers: string[]; content: Buffer } | undefined> {
    const out = this.#request(relay, message.head);
    const timer = setTimeout(() => out.destroy(), DELIVERY_MAX_MS);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        out.on('response', resolve);
        out.on('error', reject);
        out.end(message.content);
      });
      return {
        status: response.statusCode as number,
        headers: response.rawHeaders,
        content: await contentOf(response),
      };
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #sendHalf(relay: number, { head, content }: Message): Promise<void> {
    const headers = { ...head.headers, 'content-length': String(content.length) };
    delete headers['transfer-encoding'];
    const out = this.#request(relay, { ...head, headers });
    out.write(content.subarray(0, content.length / 2));
    await sleep(2);
    out.destroy();
  }

  async #sendWithoutReading(relay: number, { head, content }: Message): Promise<void> {
    const out = this.#request(relay, head);
    await new Promise<void>((resolve) => {
      out.on('finish', resolve);
      out.on('error', () => resolve());
      out.end(content);
    });
    await sleep(this.#options.random.between(0, 3));
    out.destroy();
  }

  /** Delivers it while its call may wait, when it has settled, or when it is too old; to any relay. */
  #later(message: Message, how: string): void {
    const { random, relayPorts, tooOldAfterMs } = this.#options;
    const [soon, later] = [random.between(1, 400), random.between(400, 3_000)];
    const afterMs = random.pick([soon, later, tooOldAfterMs + soon]);
    const relay = random.between(0, relayPorts.length - 1);
    const delivery = sleep(afterMs).then(() => this.#deliver(message, relay, `${how} after ${afterMs} ms`));
    this.#late.add(delivery);
    void delivery.finally(() => this.#late.delete(delivery));
  }

  #refuse(source: Source, res: ServerResponse): void {
    const { status, code } = this.#options.random.pick(REFUSALS);
    this.#mayLeadOn(source);
    this.#respond(res, status, code);
  }

  #respond(res: ServerResponse, status: number, code?: string): void {
    const retryAfter = status === 429 || status === 503 ? { 'retry-after': '0' } : {};
    const type = code === undefined ? 'text/html' : 'application/problem+json';
    res.writeHead(status, { 'content-type': type, ...retryAfter });
    res.end(code === undefined ? 'refused' : JSON.stringify({ type: 'about:blank', title: code, status, code }));
  }

  #respondOtherwise(source: Source, req: IncomingMessage, res: ServerResponse): void {
    if (!this.#otherResponse) return this.#cutOff(source, req);
    res.writeHead(200, this.#otherResponse.headers);
    res.end(this.#otherResponse.content);
  }

  #cutOff(source: Source, req: IncomingMessage): void {
    this.#mayLeadOn(source);
    req.socket.resetAndDestroy();
  }

  #mayLeadOn(source: Source): void {
    if (this.#options.random.chance(LED_ON_SHARE)) this.#leadOn(source);
  }

  #request(relay: number, { method, path, headers }: Message['head']): ClientRequest {
    const { [CALL_FIELD]: _, ...passed } = headers;
    const port = this.#options.relayPorts[relay];
    const out = request({ host: '127.0.0.1', port, method, path, headers: passed, agent: this.#agent });
    out.on('error', () => undefined);
    return out;
  }

  #keep(message: Message): void {
    if (message.content.length > KEPT_MAX_BYTES) return;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(message);
    else this.#kept[this.#options.random.between(0, KEPT_MAX - 1)] = message;
  }

  #note({ call, name }: Message, what: string): void {
    this.#noteCall(call, `${name}: ${what}`);
  }

  #noteCall(call: string | undefined, what: string): void {
    if (call !== undefined) this.#options.trace.add(call, 'intermediary', what);
  }
}

/** One client's address, and the relay at which it stays. */
class Source extends CuttableServer {
  relay: number;

  constructor(relay: number, handle: (req: IncomingMessage, res: ServerResponse) => Promise<void>) {
    super((req, res) => {
      res.on('error', () => undefined);
      void handle(req, res).catch(() => req.socket.destroy()); // the client has disconnected
    }, 60_000);
    this.relay = relay;
  }
}

function messageOf(req: IncomingMessage, content: Buffer): Message {
  const { method = '', url = '', headers } = req;
  const call = headers[CALL_FIELD];
  return { call: call as string | undefined, name: nameOf(content), head: { method, path: url, headers }, content };
}

function nameOf(content: Buffer): string {
  try {
    const { type, n } = parseMessageHeader(new Uint8Array(content));
    return `${type === MESSAGE_TYPE_CANCEL ? 'cancel' : 'exchange'} ${n}`;
  } catch {
    return 'message';
  }
}
