// An upload with progress goes by XMLHttpRequest, which follows redirects: an intermediary that redirects it to another
// origin gets nothing but sealed bytes there, and the response from there is not accepted, though it may be authentic.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { CHROMIUM, type OpenBrowser, openBrowser } from '@mte-relay/testing/chromium';
import { contentOf } from '@mte-relay/testing/content';
import { closeServer, listen, urlOf } from '@mte-relay/testing/servers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type PageStage, startPageStage } from './support/stage-for-pages.ts';

const SECRET = 'a secret that nobody else reads '.repeat(4_000);

describe.skipIf(!CHROMIUM)('an upload with progress that an intermediary redirects, in Chromium', () => {
  let stage: PageStage;
  let browser: OpenBrowser;
  let ran = 0;
  const taken: { body: string; cookie: string | undefined }[] = [];
  let otherUrl: string;
  /** Another origin: it passes the sealed request on to the relay, and the response back. */
  const other = createServer(async (req, res) => {
    allowAnyPage(req, res);
    if (req.method === 'OPTIONS') return void res.end();
    const body = await contentOf(req);
    taken.push({ body: body.toString('latin1'), cookie: req.headers.cookie });
    const { 'content-type': type = '' } = req.headers;
    const response = await fetch(`${stage.relayUrl}/api/mte`, {
      method: 'POST',
      headers: { 'content-type': type, origin: new URL(stage.pageUrl).origin, 'x-passed-on': '1' },
      body: new Uint8Array(body),
    });
    res.setHeader('content-type', response.headers.get('content-type') ?? '');
    res.writeHead(response.status).end(Buffer.from(await response.arrayBuffer()));
  });

  function allowAnyPage(req: IncomingMessage, res: ServerResponse): void {
    res.setHeader('access-control-allow-origin', req.headers.origin ?? '*');
    res.setHeader('access-control-allow-credentials', 'true');
    res.setHeader('access-control-allow-headers', 'content-type');
  }

  beforeAll(async () => {
    stage = await startPageStage(async (req, res) => {
      await contentOf(req);
      ran += 1;
      res.end('stored');
    }, 'mte-relay-fetch.mjs');
    otherUrl = urlOf(await listen(other));
    browser = await openBrowser(CHROMIUM as string);
    await browser.page.goto(stage.pageUrl);
    await browser.page.waitForFunction(() => globalThis.client !== undefined);
  });

  beforeEach(() => {
    ran = 0;
    taken.length = 0;
    stage.intermediary = undefined;
  });

  afterAll(async () => {
    await browser?.close();
    await stage?.close();
    closeServer(other);
  });

  const upload = (): Promise<{ outcome: string | undefined; mayHaveRun?: boolean }> =>
    browser.page.evaluate(
      async ([url, body]) => {
        const init = { method: 'POST', body: new Blob([body]), onUploadProgress: () => undefined } as RequestInit;
        try {
          return { outcome: await (await globalThis.client.fetch(url, init)).text() };
        } catch (error) {
          const { code, mayHaveRun } = error as { code: string; mayHaveRun: boolean };
          return { outcome: code, mayHaveRun };
        }
      },
      [`${stage.relayUrl}/files`, SECRET] as const,
    );

  test('without a redirect it arrives', async () => {
    expect(await upload()).toEqual({ outcome: 'stored' });
    expect(ran).toBe(1);
  });

  /** Redirects every upload of the page. */
  function redirectUploads(): void {
    stage.intermediary = (req, res) => {
      const isUpload = req.method === 'POST' && Number(req.headers['content-length']) > SECRET.length;
      if (!isUpload || req.headers['x-passed-on']) return false;
      allowAnyPage(req, res);
      res.writeHead(307, { location: `${otherUrl}/taken` }).end();
      return true;
    };
  }

  test('with one, the call fails as one that may have run, and the other origin has seen neither content nor cookies', async () => {
    redirectUploads();
    expect(await upload()).toEqual({ outcome: 'may-have-run', mayHaveRun: true });
    expect(ran).toBe(1); // it was passed on, and not sent again
    expect(taken.length).toBe(1);
    expect(taken[0]?.body).not.toContain(SECRET.slice(0, 30));
    expect(taken[0]?.cookie).toBeUndefined();
  });

  test('with one, and a Content-Security-Policy that names the relay: nothing goes to the other origin', async () => {
    await browser.page.evaluate((relay) => {
      const policy = document.createElement('meta');
      policy.httpEquiv = 'content-security-policy';
      policy.content = `connect-src ${relay}`;
      document.head.append(policy);
    }, stage.relayUrl);
    expect(await upload()).toEqual({ outcome: 'stored' });
    redirectUploads();
    expect((await upload()).outcome).not.toBe('stored');
    expect(taken).toEqual([]);
    expect(ran).toBe(1);
  });
});
