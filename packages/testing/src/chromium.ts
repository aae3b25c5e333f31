// A real, headless Chromium of the system, driven over its own protocol.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { toolPath } from './tools.ts';

/** Where `npm test` found Chromium; without it the tests that need it are skipped. */
export const CHROMIUM: string | undefined = toolPath('chromium');

export interface OpenBrowser {
  readonly context: BrowserContext;
  readonly page: Page;
  close(): Promise<void>;
}

export interface BrowserOptions {
  /** Folder of the caller's, which stays; default: one that is removed when the browser closes. */
  readonly profile?: string;
  /** Whether every page is in a private window, which leaves nothing in the profile. */
  readonly isPrivate?: boolean;
  /** Whether it takes certificates that nobody vouches for. */
  readonly takesAnyCertificate?: boolean;
}

export async function openBrowser(executablePath: string, options: BrowserOptions = {}): Promise<OpenBrowser> {
  const profile = options.profile ?? mkdtempSync(join(tmpdir(), 'mte-relay-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    ignoreHTTPSErrors: options.takesAnyCertificate ?? false,
    viewport: { width: 1440, height: 900 },
    args: [
      '--no-sandbox', // Chromium has none as root, where CI runs
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...(options.isPrivate ? ['--incognito'] : []),
    ],
  });
  return {
    context,
    page: context.pages()[0] ?? (await context.newPage()),
    async close() {
      await context.close();
      if (options.profile === undefined) rmSync(profile, { recursive: true, force: true });
    },
  };
}
