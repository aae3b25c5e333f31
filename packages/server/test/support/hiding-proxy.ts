// A proxy in front of Redis that hides failovers, as managed ones do: its clients keep their connections while it leads
// them to another server.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '@mte-relay/testing/servers';
import { until } from '@mte-relay/testing/until';

/** Time for the rest of the last replies. */
const DRAIN_MS = 50;
const OK = '+OK\r\n';

export class HidingProxy {
  readonly #clients = new Map<Socket, Socket>();
  /** Bytes that a server had sent when the last command reached it. */
  readonly #sentBefore = new WeakMap<Socket, number>();
  readonly #server: Server;
  readonly #login: string;
  #target: number;
  port = 0;

  /** @param target port of the first server @param user logged in anew on the next one, with this password */
  constructor(target: number, user: { readonly name: string; readonly password: string }) {
    this.#target = target;
    this.#login = `AUTH ${user.name} ${user.password}\r\n`;
    this.#server = createServer({ noDelay: true }, (client) => {
      client.on('error', () => client.destroy());
      client.on('close', () => this.#clients.get(client)?.destroy());
      this.#join(client, connect(this.#target, '127.0.0.1'));
    });
  }

  async start(): Promise<this> {
    this.port = await listen(this.#server);
    return this;
  }

  /** Leads all clients to another server. Commands that arrive meanwhile wait. */
  async failOver(target: number): Promise<void> {
    this.#target = target;
    await Promise.all([...this.#clients].map(([client, server]) => this.#lead(client, server)));
  }

  close(): void {
    for (const client of this.#clients.keys()) client.destroy();
    this.#server.close();
  }

  async #lead(client: Socket, before: Socket): Promise<void> {
    client.unpipe(before);
    client.pause();
    await until(() => before.bytesRead > (this.#sentBefore.get(before) ?? 0)); // every command has its reply
    await sleep(DRAIN_MS);
    before.unpipe(client);
    before.destroy();
    const next = connect(this.#target, '127.0.0.1');
    await once(next, 'connect');
    next.write(this.#login);
    const [reply] = (await once(next, 'data')) as [Buffer];
    if (String(reply) !== OK) throw new Error(`Redis responded ${reply}`);
    this.#join(client, next);
  }

  #join(client: Socket, server: Socket): void {
    this.#clients.set(client, server);
    server.on('error', () => undefined);
    client.pipe(server);
    client.on('data', () => this.#sentBefore.set(server, server.bytesRead));
    server.pipe(client, { end: false });
  }
}
