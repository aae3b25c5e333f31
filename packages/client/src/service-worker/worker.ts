// The ready service worker, /public/mte-relay-sw.js: seals what an unchanged page sends to the listed routes. It comes up
// in this order: it is installed, takes the place of its predecessor as soon as that has answered everything it had
// begun (Service Workers, "Try Activate"), takes over the open pages, and answers their requests.
import { createRelayClient, RelayClientError } from '../clients/fetch-only.ts';
import { type AnswerContext, answerSealed } from './answer.ts';
import { checkedRoutes, configurationIn } from './configuration.ts';
import { Journal } from './journal.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER } from './messages.ts';
import { Routes } from './routes.ts';
import type { FetchEvent, WorkerScope } from './scope.ts';

/** Firefox ends a worker a minute after the last event that came to it, whatever it is doing. */
const STAY_EVERY_MS = 5_000;

const scope = globalThis as unknown as WorkerScope;

// A wrong configuration throws here, and a worker that throws is not installed.
const configuration = configurationIn(scope.location.href);
const client = createRelayClient(configuration.relay, { pins: configuration.pins });
const relayOrigin = new URL(configuration.relay).origin;
const pageOrigin = scope.location.origin;
const context: AnswerContext = {
  fetch: client.fetch,
  journal: new Journal(scope.registration.scope),
  routes: new Routes(checkedRoutes(configuration.routes), relayOrigin, pageOrigin),
  relayOrigin,
  pageOrigin,
};

scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener('message', (event) => {
  if (event.data !== TAKE_OVER) return;
  event.waitUntil(scope.clients.claim().then(() => event.ports[0]?.postMessage(TAKEN_OVER)));
});
scope.addEventListener('fetch', (event) => {
  if (!context.routes.seals(event.request)) return; // passes by
  const { response, done } = answerSealed(context, event.clientId, event.request);
  const staying = setInterval(tell, STAY_EVERY_MS, event.clientId, STAY);
  event.waitUntil(done.finally(() => clearInterval(staying)));
  event.respondWith(response.catch((error) => failed(event, error)));
});

/** A network error for the page, which can be told no more by its request; the reason goes to its console. */
function failed({ clientId, request }: FetchEvent, error: unknown): Response {
  if (!request.signal.aborted) {
    console.error('mte-relay:', error);
    if (error instanceof RelayClientError) void tell(clientId, failureOf(request, error));
  }
  return Response.error();
}

function failureOf({ method, url }: Request, { code, message, mayHaveRun }: RelayClientError): RelayRequestFailure {
  return { type: FAILURE, method, url, code, message, mayHaveRun };
}

/** Tells the page that asks, unless it is only coming: a navigation has none yet. */
async function tell(clientId: string, message: RelayRequestFailure | typeof STAY): Promise<void> {
  const page = clientId === '' ? undefined : await scope.clients.get(clientId);
  page?.postMessage(message);
}
