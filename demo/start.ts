// `npm run demo`: a sample API, the relay in front of it, and a tap on the public port that shows what the wire carries.
//
//   browser ── localhost:PORT (tap) ── relay (child process) ── sample API (this process)

import { randomBytes } from 'node:crypto';
import { freePort } from '@mte-relay/testing/free-port';
import { serve } from '@mte-relay/testing/servers';
import { createSampleApi } from './api.ts';
import { type RelayProcess, relayPin, startRelay, untilReady } from './relay-process.ts';
import { newSeenFeed, recordRequest } from './seen.ts';
import { isStagePath, respondForStage, type Stage } from './stage.ts';
import { openTap, type Tap } from './tap.ts';

const DEFAULT_PORT = 8080;
const DISCOVERY_PATH = '/api/mte-relay';

const seen = newSeenFeed();
const api = await createSampleApi();
const cleanups: (() => Promise<unknown>)[] = [api.close];
let stage: Stage | undefined;
let stopping = false;

process.once('SIGINT', () => void stop(0));
process.once('SIGTERM', () => void stop(0));
await start().catch((error: NodeJS.ErrnoException) => {
  console.error(error.message);
  return stop(1);
});

async function start(): Promise<void> {
  const relayPort = await freePort();
  const tap = await openPublicPort(requestedPort(), relayPort);
  cleanups.unshift(() => tap.close());
  const origin = `http://localhost:${tap.port}`;

  const backend = await serve((req, res) => {
    if (stage && isStagePath((req.url ?? '').split('?', 1)[0] ?? '')) {
      respondForStage(stage, req, res).catch(() => res.destroy());
      return;
    }
    recordRequest(seen, req, res, claimExchange(tap));
    api.handle(req, res);
  });
  const observerOrigin = backend.url;
  cleanups.unshift(async () => backend.close());

  const env = {
    ...process.env,
    UPSTREAM: observerOrigin,
    CORS_ORIGINS: origin,
    CLIENT_ID_SECRET: process.env['CLIENT_ID_SECRET'] ?? randomBytes(32).toString('base64url'),
    PORT: String(relayPort),
    ADMIN_PORT: String(await freePort()),
    DRAIN_DELAY_MS: '0', // no load balancer has to notice
    SOLE_INSTANCE: 'true', // a restart, of which the demo has a button, then proves what did not run
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'warning',
    PASS_THROUGH_ROUTES: '/,/demo/*',
  };
  const pin = await relayPin(env);
  const relay: RelayProcess = startRelay(env, `http://127.0.0.1:${relayPort}${DISCOVERY_PATH}`, (why) => {
    console.error(`the relay stopped: ${why}`);
    void stop(1);
  });
  cleanups.unshift(() => relay.stop());
  stage = { origin, observerOrigin, pin, tap, seen, restartRelay: () => relay.restart() };

  await relay.ready();
  await untilReady(`${origin}${DISCOVERY_PATH}`);
  console.log(`ready ${origin}`);
}

async function stop(exitCode: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  for (const cleanup of cleanups) await cleanup();
  process.exit(exitCode);
}

/** The wire's oldest sealed request that is still open and has not arrived here yet is the one that brought this. */
function claimExchange(tap: Tap): number | undefined {
  const exchange = tap.exchanges.find(({ path, done, claimed }) => path === '/api/mte' && !done && !claimed);
  if (exchange) exchange.claimed = true;
  return exchange?.id;
}

async function openPublicPort(port: number, relayPort: number): Promise<Tap> {
  return await openTap({ port, relayPort }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is already in use: stop what listens there, or set PORT to another one`);
  });
}

function requestedPort(): number {
  const text = process.env['PORT'] ?? String(DEFAULT_PORT);
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT must be a number from 0 (any free port) to 65535, not ${JSON.stringify(text)}`);
}
