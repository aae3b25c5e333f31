// Snippets of the guides, run as they stand: in Node, Deno or Bun, in a page of a real browser, or in a shell. Only the relay's address
// and the pin are replaced; the text of "prints:" comments must be what is printed.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Relay } from '@mte-relay/server';
import { openBrowser } from '@mte-relay/testing/chromium';
import { contentOf } from '@mte-relay/testing/content';
import { relayTo } from '@mte-relay/testing/relay';
import { closeServer, listen, serverOf, urlOf } from '@mte-relay/testing/servers';
import { build } from 'esbuild';
import { WebSocketServer } from 'ws';

const ROOT = join(import.meta.dirname, '../../..');
const RUN_TIMEOUT_MS = 60_000;
/** As the guides write them. */
const WRITTEN_RELAY = /(?<=https?:\/\/|ws:\/\/)localhost:8080/g;
const WRITTEN_PIN = 'sha256-…';

export interface Guide {
  readonly title: string;
  readonly language: string;
  /** Where it runs: behind "run" on the fence. */
  readonly where: string;
  readonly code: string;
}

/** The snippets of a document that name where they run. */
export function guidesIn(document: string): Guide[] {
  const text = readFileSync(join(ROOT, 'docs', document), 'utf8');
  const guides: Guide[] = [];
  let title = '';
  for (const [whole, heading, language = '', where = '', code = ''] of text.matchAll(
    /^#+ (.*)$|^```(\w+) run ([\w-]+)\n([\s\S]*?)^```$/gm,
  )) {
    if (heading !== undefined) title = heading;
    else if (whole) guides.push({ title, language, where, code });
  }
  return guides;
}

/** Lines that the snippet promises. */
export function promised({ code }: Guide): string[] {
  return [...code.matchAll(/^\s*(?:\/\/|#) prints: (.*)$/gm)].map(([, line = '']) => line);
}

/** The snippet's code for a relay with this pin. @param relayHost default: as it is written. */
export function writtenFor({ code }: Guide, pin: string, relayHost = 'localhost:8080'): string {
  return code.replaceAll(WRITTEN_RELAY, relayHost).replaceAll(WRITTEN_PIN, pin);
}

/** An API, a relay in front of it, and a page's server. */
export class GuideStage {
  readonly #api: Server;
  readonly #pages: Server;
  readonly #relay: Relay;
  readonly #relayPort: number;
  /** The requests that the API received. */
  readonly seen: string[];
  #script = '';

  private constructor(api: Server, pages: Server, relay: Relay, relayPort: number, seen: string[]) {
    this.#api = api;
    this.#pages = pages;
    this.#relay = relay;
    this.#relayPort = relayPort;
    this.seen = seen;
    pages.on('request', (req: IncomingMessage, res: ServerResponse) => {
      const isScript = req.url === '/app.js';
      res.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      res.end(isScript ? this.#script : '<!doctype html><script type="module" src="/app.js"></script>');
    });
  }

  static async open(): Promise<GuideStage> {
    const seen: string[] = [];
    const api = apiServer(seen);
    const pages = createServer();
    const [apiPort, pagePort] = await Promise.all([listen(api), listen(pages)]);
    const relay = relayTo(urlOf(apiPort), { CORS_ORIGINS: `http://localhost:${pagePort}` });
    return new GuideStage(api, pages, relay, await relay.listen(0), seen);
  }

  async close(): Promise<void> {
    await this.#relay.close();
    for (const server of [this.#api, this.#pages]) closeServer(server);
  }

  /** The snippet's code for this stage. */
  prepared(guide: Guide): string {
    return writtenFor(guide, this.#relay.pin, `localhost:${this.#relayPort}`);
  }

  /** Its output, by lines. */
  async inNode(guide: Guide): Promise<string[]> {
    return await this.#run(process.execPath, ['--input-type=module', '--eval', this.prepared(guide)]);
  }

  /** @param command with what stands in front of the snippet as a file of this project. */
  async byCommand(guide: Guide, command: string, args: readonly string[]): Promise<string[]> {
    const file = join(ROOT, 'test/runtimes', `.quick-start-${process.pid}.mjs`);
    writeFileSync(file, `${this.prepared(guide)}\nprocess.exit(0);\n`);
    try {
      return await this.#run(command, [...args, file]);
    } finally {
      rmSync(file, { force: true });
    }
  }

  async inShell(guide: Guide): Promise<string[]> {
    return await this.#run('bash', ['-euc', this.prepared(guide)]);
  }

  /** Bundled as an app's build does it, loaded by a page of another origin than the relay's. */
  async inBrowser(guide: Guide, chromium: string, lineCount: number): Promise<string[]> {
    const { outputFiles } = await build({
      stdin: { contents: this.prepared(guide), resolveDir: ROOT, loader: 'js' },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'warning',
    });
    this.#script = outputFiles[0]?.text ?? '';
    const browser = await openBrowser(chromium);
    try {
      const lines: string[] = [];
      const finished = new Promise<void>((resolve, reject) => {
        browser.page.on('console', (message) => {
          lines.push(message.text());
          if (lines.length >= lineCount) resolve();
        });
        browser.page.on('pageerror', reject);
      });
      await browser.page.goto(`http://localhost:${(this.#pages.address() as AddressInfo).port}/`);
      await finished;
      return lines;
    } finally {
      await browser.close();
    }
  }

  async #run(command: string, args: readonly string[]): Promise<string[]> {
    const path = [join(ROOT, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
    const { stdout } = await promisify(execFile)(command, args, {
      cwd: ROOT,
      env: { ...process.env, PATH: path, NO_COLOR: '1' },
      timeout: RUN_TIMEOUT_MS,
    });
    return stdout.trim().split('\n');
  }
}

function apiServer(seen: string[]): Server {
  const server = serverOf(async (req, res) => {
    const body = (await contentOf(req)).toString();
    seen.push(`${req.method} ${req.url} ${body}`);
    if (req.url === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      return void res.write('event: price\ndata: 42\n\n');
    }
    res.setHeader('content-type', 'application/json');
    if (req.url === '/graphql') return void res.end('{"data":{"notes":[{"id":1,"text":"hello"}]}}');
    res.statusCode = req.method === 'POST' ? 201 : 200;
    res.end(JSON.stringify({ id: 1, text: body ? (JSON.parse(body) as { text: string }).text : 'hello' }));
  });
  const sockets = new WebSocketServer({ server, path: '/chat' });
  sockets.on('connection', (ws) => {
    seen.push('WebSocket /chat');
    ws.on('message', (data, isBinary) => ws.send(`echo: ${data}`, { binary: isBinary }));
  });
  return server;
}
