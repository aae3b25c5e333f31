// A page that runs the conformance cases with the bundle that apps load, for browsers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '@mte-relay/testing/servers';
import { build } from 'esbuild';
import { vectors } from '../../../conformance/providers.ts';
import type { CaseReport, RunConfiguration } from '../../../conformance/run/conformance.ts';
import { ROOT } from './conformance.ts';
import type { RealtimePlace } from './realtime.ts';

const CLIENT_DIST = join(ROOT, 'packages/client/dist');

declare global {
  /** Set by entry/page.ts. */
  var runAllCases: (configuration: RunConfiguration) => Promise<CaseReport[]>;
  /** Sets `globalThis.realtime`, both ways to the client's classes. */
  var connectRealtime: (place: RealtimePlace) => Promise<void>;
}

export interface CasesPage {
  /** An origin of its own, which is not the relay's. */
  readonly origin: string;
  close(): void;
}

export async function servePage(): Promise<CasesPage> {
  const runner = await build({
    entryPoints: [join(ROOT, 'test/runtimes/entry/page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions: ['browser'],
    logLevel: 'warning',
  });
  const files: Readonly<Record<string, readonly [type: string, content: string | Buffer | undefined]>> = {
    '/': ['text/html', '<!doctype html><meta charset="utf-8"><script type="module" src="/cases.mjs"></script>'],
    '/cases.mjs': ['text/javascript', runner.outputFiles[0]?.text],
    '/vectors.json': ['application/json', JSON.stringify(vectors)],
    '/mte-relay-client.mjs': ['text/javascript', readFileSync(join(CLIENT_DIST, 'mte-relay-client.mjs'))],
    '/mte-relay-crypto.mjs': ['text/javascript', readFileSync(join(CLIENT_DIST, 'mte-relay-crypto.mjs'))],
  };
  const { port, close } = await serve((request, response) => {
    const [type, content] = files[request.url ?? ''] ?? [];
    if (!type) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': type }).end(content);
  });
  return { origin: `http://localhost:${port}`, close };
}
