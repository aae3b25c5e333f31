// The ready-made service worker, /public/mte-relay-sw.js: seals an unchanged page's requests to the listed routes. In order:
// it is installed, replaces its predecessor once that has finished its requests (Service Workers, "Try Activate"), claims
// the open pages, and responds to their requests.
import { createRelayClient, RelayClientError } from '../clients/fetch-only.ts';
import { checkedRoutes, configurationIn } from './configuration.ts';
import { Journal } from './journal.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER } from './messages.ts';
import { type RespondContext, respondSealed } from './respond.ts';
import { Routes } from './routes.ts';
import type { FetchEvent, WorkerScope } from './scope.ts';

/** Firefox ends a worker one minute after its last event, even during a request. */
const STAY_EVERY_MS = 5_000;

const scope = globalThis as unknown as WorkerScope;

// An invalid configuration throws, and a worker that throws is not installed.
const configuration = configurationIn(scope.location.href);
const client = createRelayClient(configuration.relay, { pins: configuration.pins });
const relayOrigin = new URL(configuration.relay).origin;
const pageOrigin = scope.location.origin;
const context: RespondContext = {
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
  if (!context.routes.seals(event.request)) return; // the browser handles it
  const { response, done } = respondSealed(context, event.clientId, event.request);
  const staying = setInterval(tell, STAY_EVERY_MS, event.clientId, STAY);
  event.waitUntil(done.finally(() => clearInterval(staying)));
  event.respondWith(response.catch((error) => failed(event, error)));
});

/** A network error, which is all that a fetch event can report to the page. The reason goes to the page as a message. */
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

/** Sends a message to the requesting page. A navigation does not have a page yet. */
async function tell(clientId: string, message: RelayRequestFailure | typeof STAY): Promise<void> {
  const page = clientId === '' ? undefined : await scope.clients.get(clientId);
  page?.postMessage(message);
}
