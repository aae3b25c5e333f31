// What the cookie table runs on: the little app, and relays in front of it, one for each set of settings and one for each
// case that restarts it.
import type { Relay } from '@mte-relay/server';
import { freePort } from '@mte-relay/testing/free-port';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import type { Environment } from '@mte-relay/testing/settings';
import { CookieApi, PASSED_THROUGH } from './api.ts';
import type { CookieCase, Step } from './case.ts';
import { startTlsFront, type TlsFront } from './tls-front.ts';

const SECRETS = { old: 'the-old-secret-of-the-cookie-table', new: 'the-new-secret-of-the-cookie-table' } as const;

/** Where a run of a case happens. */
export interface Place {
  readonly scheme: 'http' | 'https';
  readonly port: number;
  /** Of the page: `www.` and the site. */
  readonly page: string;
  /** Of the API. */
  readonly host: string;
  /** What a cookie may name as Domain for all of the page's hosts. */
  readonly site: string;
}

export class TableRelay {
  /** The port that browsers address. */
  readonly port: number;
  readonly #ownPort: number;
  readonly #settings: Environment;
  #relay: Relay;

  constructor(port: number, ownPort: number, settings: Environment, relay: Relay) {
    this.port = port;
    this.#ownPort = ownPort;
    this.#settings = settings;
    this.#relay = relay;
  }

  /** Sessions in memory are lost with it. @param secrets the first signs and seals */
  async restart(upstream: string, secrets: readonly (keyof typeof SECRETS)[] = ['old']): Promise<void> {
    await this.#relay.close();
    const names = secrets.map((name) => SECRETS[name]).join(',');
    this.#relay = relayTo(upstream, { ...this.#settings, CLIENT_ID_SECRET: names });
    await this.#relay.listen(this.#ownPort);
  }

  close(): Promise<void> {
    return this.#relay.close();
  }
}

export class CookieStage {
  readonly api: CookieApi = new CookieApi();
  /** Of both secrets. */
  readonly pins: string[] = [];
  readonly #cases: readonly CookieCase[];
  readonly #relays = new Map<string, Promise<TableRelay>>();
  readonly #fronts: TlsFront[] = [];
  #port = 0;
  #tlsPort = 0;

  /** @param cases all that will run: a relay names the origins of its pages */
  constructor(cases: readonly CookieCase[]) {
    this.#cases = cases;
  }

  async start(): Promise<this> {
    this.#port = await listen(this.api.server);
    this.#tlsPort = await this.#front(this.#port);
    for (const secret of Object.values(SECRETS)) {
      const relay = relayTo(this.upstream, { CLIENT_ID_SECRET: secret });
      this.pins.push(relay.pin);
      await relay.close();
    }
    return this;
  }

  get upstream(): string {
    return urlOf(this.#port);
  }

  /** Where a case runs directly, or with a relay. */
  place(given: CookieCase, relayPort?: number): Place {
    const scheme = given.https ? 'https' : 'http';
    const port = relayPort ?? (given.https ? this.#tlsPort : this.#port);
    const site = `${relayPort === undefined ? 'd' : 'r'}${this.#cases.indexOf(given)}.localhost`;
    const page = `www.${site}`;
    const host = { 'same-origin': page, 'same-site': `api.${site}`, 'cross-site': `api.x${site}` };
    return { scheme, port, page, site, host: host[given.api ?? 'same-origin'] };
  }

  /** The relay for a case. */
  relay(given: CookieCase): Promise<TableRelay> {
    const own = given.steps.some(restartsRelay) ? given.name : '';
    const key = JSON.stringify([given.settings, given.https, own]);
    const relay = this.#relays.get(key) ?? this.#startRelay(given);
    this.#relays.set(key, relay);
    return relay;
  }

  async close(): Promise<void> {
    for (const relay of this.#relays.values()) await (await relay).close();
    for (const front of this.#fronts) front.close();
    closeServer(this.api.server);
  }

  async #front(target: number): Promise<number> {
    const front = await startTlsFront(target);
    this.#fronts.push(front);
    return front.port;
  }

  async #startRelay({ settings: given, https }: CookieCase): Promise<TableRelay> {
    const ownPort = await freePort();
    const port = https ? await this.#front(ownPort) : ownPort;
    const origins = this.#cases
      .map((one) => this.place(one, port))
      .map(({ scheme, page }) => `${scheme}://${page}:${port}`);
    const settings = {
      CORS_ORIGINS: origins.join(','),
      PASS_THROUGH_ROUTES: PASSED_THROUGH.join(','),
      WORKER_ROUTES: '/api/*',
      CLIENT_ID_SECRET: SECRETS.old,
      ...given,
    };
    const relay = relayTo(this.upstream, settings);
    await relay.listen(ownPort);
    return new TableRelay(port, ownPort, settings, relay);
  }
}

export function restartsRelay(step: Step): boolean {
  return 'secrets' in step || ('do' in step && step.do === 'restart the relay');
}
