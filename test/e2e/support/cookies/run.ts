// Runs cases of the cookie table in a browser, each directly and through a relay at once, and compares what happened.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DrivenBrowser, DrivenPage } from './browsers.ts';
import {
  type Call,
  type CallStep,
  type CookieCase,
  type Navigation,
  type Observation,
  RESTART_BROWSER,
  type Step,
} from './case.ts';
import { observedOf, type Sheet } from './sheets.ts';
import { type CookieStage, type Place, restartsRelay, type TableRelay } from './stage.ts';

/** Cases that run at once. */
const LANES = 3;

const NAVIGATION_TIMEOUT_MS = 60_000;
const NAVIGATION_POLL_MS = 20;

/** What the page is told of a call. */
interface PageCall {
  readonly way: string;
  readonly url: string;
  readonly method: string;
  readonly credentials: RequestCredentials;
  readonly mode: RequestMode;
}

type PageStep = { readonly calls: readonly PageCall[] } | { readonly script: string };

declare global {
  /** Set by the page's own script. */
  var perform: (steps: readonly PageStep[]) => Promise<Array<{ outcomes: unknown[]; document?: string }>>;
}

/** A call, with the ids of its plan and of those behind its redirects. */
interface Planned {
  readonly ids: readonly string[];
  readonly call: PageCall;
}

/** The two runs of a case; an error in place of what a run could not observe. */
export interface Outcome {
  readonly direct: readonly Observation[] | Error;
  readonly relay: readonly Observation[] | Error;
}

/** Runs the sheets. Those that restart the browser wait for each other, so that it restarts once. */
export async function runSheets(
  browser: DrivenBrowser,
  stage: CookieStage,
  sheets: readonly Sheet[],
): Promise<Map<CookieCase, Outcome>> {
  const pairs = await Promise.all(
    sheets.map(async ({ whole }) => [new Run(stage, whole), new Run(stage, whole, await stage.relay(whole))] as const),
  );
  await inLanes(browser, pairs);
  if (pairs.flat().some((run) => !run.isDone)) {
    await browser.restart();
    await inLanes(browser, pairs);
  }
  return new Map(
    sheets.flatMap((sheet, i) => {
      const [direct, relay] = (pairs[i] as (typeof pairs)[0]).map(({ result }) => observedOf(sheet, result));
      return sheet.cases.map((given, at) => [given, { direct: direct?.[at], relay: relay?.[at] } as Outcome] as const);
    }),
  );
}

async function inLanes(browser: DrivenBrowser, pairs: readonly (readonly [Run, Run])[]): Promise<void> {
  const waiting = pairs.filter((pair) => pair.some((run) => !run.isDone));
  const lane = async (): Promise<void> => {
    const pages = [await browser.newPage(), await browser.newPage()] as const;
    for (let pair = waiting.shift(); pair; pair = waiting.shift())
      await Promise.all(pair.map((run, i) => run.proceed(browser, pages[i] as DrivenPage)));
    for (const page of pages) await page.close();
  };
  await Promise.all(Array.from({ length: Math.min(LANES, waiting.length) }, lane));
}

/** One case, directly or through a relay. */
class Run {
  readonly #stage: CookieStage;
  readonly #case: CookieCase;
  readonly #relay: TableRelay | undefined;
  readonly #place: Place;
  readonly #steps: Step[];
  readonly #observations: Observation[] = [];
  #failure: Error | undefined;

  constructor(stage: CookieStage, given: CookieCase, relay?: TableRelay) {
    this.#stage = stage;
    this.#case = given;
    this.#relay = relay;
    this.#place = stage.place(given, relay?.port);
    this.#steps = [...given.steps];
  }

  get isDone(): boolean {
    return this.#failure !== undefined || this.#steps.length === 0;
  }

  get result(): readonly Observation[] | Error {
    return this.#failure ?? this.#observations;
  }

  /** Takes steps until the browser has to restart. */
  async proceed(browser: DrivenBrowser, first: DrivenPage): Promise<void> {
    const tabs = new Tabs(browser, first, (path) => this.#pageUrl(path));
    try {
      while (this.#steps.length > 0) {
        const count = this.#steps.findIndex((step) => !isForOnePage(step));
        const forOnePage = this.#steps.splice(0, count < 0 ? this.#steps.length : count);
        if (forOnePage.length > 0) this.#observations.push(...(await this.#perform(forOnePage, await tabs.open())));
        const step = this.#steps.shift();
        if (step === RESTART_BROWSER) {
          this.#observations.push({ cookies: [], outcomes: [], document: [] });
          break;
        }
        if (step) this.#observations.push(await this.#take(step, tabs));
      }
    } catch (error) {
      this.#failure = new Error(`failed after ${this.#observations.length} steps: ${(error as Error).message}`, {
        cause: error,
      });
    }
    await tabs.close();
  }

  #pageUrl(path: string): string {
    const { scheme, page, port, host } = this.#place;
    const params = new URLSearchParams();
    if (this.#relay) params.set('relay', `${scheme}://${host}:${port}`);
    if (this.#relay) for (const pin of this.#stage.pins) params.append('pin', pin);
    if (this.#case.serviceWorker) params.set('service-worker', '');
    if (this.#case.withoutStorage) params.set('without-storage', '');
    return `${scheme}://${page}:${port}${path}?${params}`;
  }

  async #take(step: Step, tabs: Tabs): Promise<Observation> {
    if ('calls' in step) return await this.#callInTabs(step, tabs);
    const tab = await tabs.open();
    if ('navigate' in step) return await this.#navigate(step, step.navigate, tab);
    if ('page' in step) await tab.goto(this.#pageUrl(step.page));
    else if ('waitMs' in step) await sleep(step.waitMs);
    else if (restartsRelay(step))
      await this.#relay?.restart(this.#stage.upstream, 'secrets' in step ? step.secrets : undefined);
    else await tab.reload();
    return this.#observed(step, [], [], await tab.evaluate(() => document.cookie, undefined));
  }

  async #navigate(step: Step, { path, by, from, set = [] }: Navigation, tab: DrivenPage): Promise<Observation> {
    const planned = this.#plan({ path, set });
    const { scheme, site, port } = this.#place;
    if (from) await tab.goto(`${scheme}://${from === 'same-site' ? `other.${site}` : `www.x${site}`}:${port}/page`);
    await tab.evaluate(startNavigation, { by, url: planned.call.url });
    if (by !== 'frame') await arrived(tab, planned.call.url);
    return this.#observed(step, [planned], [], await tab.evaluate(() => document.cookie, undefined));
  }

  /** Steps of one page, in one go. */
  async #perform(steps: readonly Step[], page: DrivenPage): Promise<Observation[]> {
    const plans = steps.map((step) => ('calls' in step ? step.calls.map((call) => this.#plan(call)) : []));
    const given = steps.map((step, at) =>
      'script' in step
        ? { script: this.#named(step.script) }
        : { calls: (plans[at] as Planned[]).map(({ call }) => call) },
    );
    const performed = await page.evaluate((all) => globalThis.perform(all), given);
    return performed.map(({ outcomes, document }, at) =>
      this.#observed(steps[at] as Step, plans[at] as Planned[], outcomes, document),
    );
  }

  /** Calls of several tabs at once. */
  async #callInTabs(step: CallStep, tabs: Tabs): Promise<Observation> {
    const plans = step.calls.map((call) => this.#plan(call));
    const names = [...new Set(step.calls.map(({ tab }) => tab))];
    const pages = await Promise.all(names.map((name) => tabs.open(name)));
    const performed = await Promise.all(
      pages.map((page, i) => {
        const calls = plans.filter((_, at) => step.calls[at]?.tab === names[i]).map(({ call }) => call);
        return page.evaluate((all) => globalThis.perform(all), [{ calls }]);
      }),
    );
    return this.#observed(
      step,
      plans,
      performed.flatMap(([only]) => only?.outcomes ?? []),
      pages.length === 1 ? performed[0]?.[0]?.document : '', // one tab may be done before the other
    );
  }

  #observed(step: Step, plans: readonly Planned[], outcomes: readonly unknown[], cookies?: string): Observation {
    const ordered = (list: readonly string[]): readonly string[] =>
      'unordered' in step && step.unordered ? list.toSorted() : list;
    const isRacing = 'racing' in step && step.racing;
    const seen = plans.flatMap(({ ids }) => ids).map((id) => this.#stage.api.seen(id)?.cookies);
    return {
      cookies: seen.map((list) => (list === undefined ? null : isRacing ? [] : ordered(list))),
      outcomes,
      document: ordered(listed(cookies)),
    };
  }

  /** Plans the responses to a call and to those that it is redirected to. */
  #plan(call: Call): Planned {
    const next = call.next && this.#plan(call.next);
    const id = this.#stage.api.plan({
      set: (call.set ?? []).map((line) => this.#named(line)),
      status: call.status ?? (next ? 302 : 200),
      fields: { ...call.fields, ...(next && { location: targetOf(next.call) }) },
    });
    const { scheme, host, port } = this.#place;
    return {
      ids: [id, ...(next?.ids ?? [])],
      call: {
        way: call.way ?? 'fetch',
        url: `${scheme}://${host}:${port}${call.path}?plan=${id}`,
        method: call.method ?? 'GET',
        credentials: call.credentials ?? 'include',
        mode: call.mode ?? 'cors',
      },
    };
  }

  #named(line: string): string {
    return line.replaceAll(/\{(page|host|site)\}/g, (_, name: 'page' | 'host' | 'site') => this.#place[name]);
  }
}

/** The tabs of one run. */
class Tabs {
  readonly #browser: DrivenBrowser;
  readonly #first: DrivenPage;
  readonly #urlOf: (path: string) => string;
  readonly #opened = new Map<string | undefined, Promise<DrivenPage>>();

  constructor(browser: DrivenBrowser, first: DrivenPage, urlOf: (path: string) => string) {
    this.#browser = browser;
    this.#first = first;
    this.#urlOf = urlOf;
  }

  /** The tab of this name, opened when it is first asked for. */
  open(name?: string): Promise<DrivenPage> {
    const tab = this.#opened.get(name) ?? this.#load(name);
    this.#opened.set(name, tab);
    return tab;
  }

  async close(): Promise<void> {
    for (const [name, tab] of this.#opened) {
      const page = await tab.catch(() => undefined); // then the run has failed
      if (name !== undefined) await page?.close();
    }
  }

  async #load(name: string | undefined): Promise<DrivenPage> {
    const page = name === undefined ? this.#first : await this.#browser.newPage();
    await page.goto(this.#urlOf('/page'));
    return page;
  }
}

/** Runs in the page. @returns for a frame when it has loaded */
async function startNavigation({ by, url }: { by: Navigation['by']; url: string }): Promise<void> {
  if (by === 'frame') {
    const frame = document.createElement('iframe');
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
    frame.src = url;
    document.body.append(frame);
    return void (await loaded);
  }
  if (by === 'link') {
    const link = document.createElement('a');
    link.href = url;
    document.body.append(link);
    return void setTimeout(() => link.click(), 0);
  }
  const form = document.createElement('form');
  const { origin, pathname, searchParams } = new URL(url);
  form.method = by === 'post-form' ? 'post' : 'get';
  form.action = by === 'post-form' ? url : origin + pathname;
  for (const [name, value] of searchParams) {
    const input = document.createElement('input');
    Object.assign(input, { name, value });
    form.append(input);
  }
  document.body.append(form);
  setTimeout(() => form.requestSubmit(), 0);
}

/** Waits until a tab shows this. @throws Error if it does not */
async function arrived(tab: DrivenPage, url: string): Promise<void> {
  const deadlineMs = performance.now() + NAVIGATION_TIMEOUT_MS;
  const shown = (): [string, string] => [location.href, document.readyState];
  while (performance.now() < deadlineMs) {
    const [href, state] = await tab.evaluate(shown, undefined).catch(() => ['', '']); // between two pages
    if (href === url && state === 'complete') return;
    await sleep(NAVIGATION_POLL_MS);
  }
  throw new Error(`${url} was not opened`);
}

function isForOnePage(step: Step): boolean {
  return 'script' in step || ('calls' in step && step.calls.every(({ tab }) => tab === undefined));
}

function listed(cookies: string | undefined): string[] {
  return cookies ? cookies.split('; ') : [];
}

/** Path and query, as an API redirects. */
function targetOf({ url }: PageCall): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
