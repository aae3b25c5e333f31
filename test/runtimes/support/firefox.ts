// A real, headless Firefox of the system, stock, driven over WebDriver BiDi.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { toolPath } from '@mte-relay/testing/tools';
import { installSidePackage } from '../../../scripts/test/side-packages.ts';
import { INSTALLED } from './installed.ts';

/** Where `npm test` found Firefox; without it the tests that need it are skipped. */
export const FIREFOX: string | undefined = toolPath('firefox');

const START_TIMEOUT_MS = 60_000;
const RESPONSE_TIMEOUT_MS = 240_000;

/** The used part of puppeteer-core, which lies in the package of the runtimes. */
interface Puppeteer {
  launch(options: object): Promise<{
    newPage(): Promise<FirefoxPage>;
    close(): Promise<void>;
  }>;
}

export interface FirefoxPage {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  url(): string;
  waitForFunction(condition: () => boolean): Promise<unknown>;
  waitForNavigation(): Promise<unknown>;
  click(selector: string): Promise<void>;
  $(selector: string): Promise<{ uploadFile(path: string): Promise<void> } | null>;
  evaluate<A, R>(work: (given: A) => R | Promise<R>, given?: A): Promise<R>;
  close(): Promise<void>;
  on(event: 'console', listener: (message: { text(): string }) => void): void;
}

export interface FirefoxOptions {
  /** Folder of the caller's, which stays; default: one that is removed when the browser closes. */
  readonly profile?: string;
  /** Whether it takes certificates that nobody vouches for. */
  readonly takesAnyCertificate?: boolean;
}

export interface OpenFirefox {
  readonly page: FirefoxPage;
  newPage(): Promise<FirefoxPage>;
  close(): Promise<void>;
}

/** @param preferences of the profile, by the names of about:config. */
export async function openFirefox(
  executablePath: string,
  preferences: Readonly<Record<string, unknown>> = {},
  options: FirefoxOptions = {},
): Promise<OpenFirefox> {
  installSidePackage('test/runtimes');
  const entry = pathToFileURL(join(INSTALLED, 'puppeteer-core/lib/puppeteer/puppeteer-core.js')).href;
  const { default: puppeteer } = (await import(entry)) as { default: Puppeteer };
  const profile = options.profile ?? mkdtempSync(join(tmpdir(), 'mte-relay-firefox-'));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    acceptInsecureCerts: options.takesAnyCertificate ?? false,
    userDataDir: profile,
    extraPrefsFirefox: preferences,
    protocolTimeout: RESPONSE_TIMEOUT_MS,
    timeout: START_TIMEOUT_MS,
  });
  return {
    page: await browser.newPage(),
    newPage: () => browser.newPage(),
    async close() {
      await browser.close();
      if (options.profile === undefined) rmSync(profile, { recursive: true, force: true });
    },
  };
}
