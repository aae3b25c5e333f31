// Chromium and Firefox under one interface, as a test of both needs them.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CHROMIUM, openBrowser } from '@mte-relay/testing/chromium';
import { FIREFOX, openFirefox } from '../../../runtimes/support/firefox.ts';

export type BrowserName = 'Chromium' | 'Firefox';

/** Where the browsers are; undefined where one is missing. */
export const BROWSERS: Readonly<Record<BrowserName, string | undefined>> = { Chromium: CHROMIUM, Firefox: FIREFOX };

export interface DrivenPage {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  evaluate<A, R>(work: (given: A) => R | Promise<R>, given: A): Promise<R>;
  close(): Promise<unknown>;
}

export interface DrivenBrowser {
  newPage(): Promise<DrivenPage>;
  /** Ends the browser as a user does and starts it with the same profile; its pages are gone. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Opened {
  newPage(): Promise<DrivenPage>;
  close(): Promise<void>;
}

/** @param isPrivate whether nothing outlives the browser, as in a private window */
export async function openDriven(name: BrowserName, isPrivate = false): Promise<DrivenBrowser> {
  const profile = mkdtempSync(join(tmpdir(), 'mte-relay-profile-'));
  const open = (): Promise<Opened> => OPEN[name](BROWSERS[name] as string, profile, isPrivate);
  let opened = await open();
  const turns = new Turns();
  return {
    newPage: () =>
      turns.take(async () => {
        const page = await opened.newPage();
        return {
          goto: (url) => page.goto(url),
          reload: () => page.reload(),
          evaluate: (work, given) => page.evaluate(work, given),
          close: () => turns.take(() => page.close()),
        };
      }),
    async restart() {
      await opened.close();
      opened = await open();
    },
    async close() {
      await opened.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Work that is done one after the other: Firefox was seen to fail to open a tab while it closed another one. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Also those of other sites than the page's, which Chromium blocks by default, unless they are Partitioned. */
const ALL_COOKIES = { profile: { cookie_controls_mode: 0 } };

const OPEN: Readonly<Record<BrowserName, (path: string, profile: string, isPrivate: boolean) => Promise<Opened>>> = {
  async Chromium(path, profile, isPrivate) {
    const preferences = join(profile, 'Default/Preferences');
    if (!existsSync(preferences)) {
      mkdirSync(dirname(preferences), { recursive: true });
      writeFileSync(preferences, JSON.stringify(ALL_COOKIES));
    }
    const { context, close } = await openBrowser(path, { profile, isPrivate, takesAnyCertificate: true });
    return { newPage: async () => (await context.newPage()) as DrivenPage, close };
  },
  async Firefox(path, profile, isPrivate) {
    return await openFirefox(
      path,
      { 'browser.privatebrowsing.autostart': isPrivate },
      { profile, takesAnyCertificate: true },
    );
  },
};
