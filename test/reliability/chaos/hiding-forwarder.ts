// A forwarder in front of Redis that leads open connections to another server, as the proxies of managed services do: a
// failover behind it closes nothing.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '@mte-relay/testing/servers';

/** A connection without a byte for this long has the replies to all that it sent. */
const QUIET_MS = 15;
const QUIET_MAX_MS = 500;

export class HidingForwarder {
  #target: number;
  #server: Server | undefined;
  #port = 0;
  readonly #links = new Set<Link>();

  /** @param target port of this machine */
  constructor(target: number) {
    this.#target = target;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens: the first time on any port, later on the same. */
  async start(): Promise<this> {
    this.#server = createServer({ noDelay: true }, (near) => {
      const link = new Link(near, this.#target);
      this.#links.add(link);
      near.on('close', () => this.#links.delete(link));
    });
    this.#port = await listen(this.#server, this.#port);
    return this;
  }

  /** Leads every connection to this port, the open ones too. */
  async switchTo(target: number): Promise<void> {
    this.#target = target;
    await Promise.all([...this.#links].map((link) => link.switchTo(target)));
  }

  /** Resets the connections that are open; new ones still come. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Resets the connections that are open and listens no more. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.reset();
    await closed;
  }
}

class Link {
  readonly #near: Socket;
  #far: Socket;
  #lastByteMs = 0;

  constructor(near: Socket, target: number) {
    this.#near = near;
    near.on('error', () => undefined);
    near.on('data', (bytes) => this.#far.write(bytes));
    near.on('close', () => this.#far.destroy());
    this.#far = this.#connect(target);
  }

  async switchTo(target: number): Promise<void> {
    this.#near.pause();
    const beganMs = performance.now();
    this.#lastByteMs = beganMs;
    while (performance.now() - this.#lastByteMs < QUIET_MS && performance.now() - beganMs < QUIET_MAX_MS)
      await sleep(5);
    const old = this.#far;
    this.#far = this.#connect(target);
    old.removeAllListeners('close');
    old.destroy();
    this.#near.resume();
  }

  reset(): void {
    this.#near.resetAndDestroy();
  }

  #connect(target: number): Socket {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    far.on('error', () => undefined);
    far.on('data', (bytes) => {
      this.#lastByteMs = performance.now();
      this.#near.write(bytes);
    });
    far.on('close', () => this.#near.destroy());
    return far;
  }
}
