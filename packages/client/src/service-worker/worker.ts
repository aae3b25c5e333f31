// The ready-made service worker, /public/mte-relay-sw.js: seals an unchanged page's requests to the listed routes. In order:
// it is installed, replaces its predecessor once that has finished its requests (Service Workers, "Try Activate"), claims
// the open pages, and responds to their requests. An app's own worker may import it as its first line: it is then installed
// and updated as that worker wants, and only claims the pages that ask for it.
import { RelayClientError } from '../api/errors.ts';
import { makeFetch } from '../call/fetch.ts';
import { openCore } from '../core.ts';
import { takeConfiguration } from './configuration.ts';
import { guardScope } from './guarded-scope.ts';
import { refusedNavigation } from './initiator.ts';
import { Journal } from './journal.ts';
import { FAILURE, type RelayRequestFailure, STAY, TAKE_OVER, TAKEN_OVER, type TakenOver } from './messages.ts';
import { type RespondContext, respondSealed } from './respond.ts';
import { Routes } from './routes.ts';
import type { FetchEvent, WorkerScope } from './scope.ts';
import { workersScriptCookies } from './script-cookies.ts';

/** Firefox ends a worker one minute after its last event, even during a request. */
const STAY_EVERY_MS = 5_000;

const scope = globalThis as unknown as WorkerScope;

// An invalid configuration throws, and a worker that throws is not installed.
const pageOrigin = scope.location.origin;
const configuration = takeConfiguration(scope, pageOrigin);
const context: RespondContext = {
  fetch: makeFetch(openCore(configuration.relay, { pins: configuration.pins }, workersScriptCookies(scope))),
  journal: new Journal(scope.registration.scope),
  routes: new Routes(configuration.routes, configuration.relay, pageOrigin),
  relayOrigin: configuration.relay,
  pageOrigin,
};
const isImported = !scope.location.pathname.endsWith('/mte-relay-sw.js');
const activating = new Promise((resolve) => scope.addEventListener('activate', resolve));

scope.addEventListener('install', (event) => {
  if (!isImported) event.waitUntil(scope.skipWaiting());
});
scope.addEventListener('activate', (event) => {
  if (!isImported) event.waitUntil(scope.clients.claim());
  const { navigationPreload } = scope.registration; // it may stand from an earlier worker
  if (navigationPreload) event.waitUntil(navigationPreload.disable());
});
scope.addEventListener('message', (event) => {
  if (event.data !== TAKE_OVER && event.data !== STAY) return;
  event.stopImmediatePropagation(); // an importing worker may not expect it
  if (event.data === TAKE_OVER) event.waitUntil(takeOver().then((reply) => event.ports[0]?.postMessage(reply)));
});
scope.addEventListener('fetch', (event) => {
  if (!context.routes.seals(event.request)) return; // the browser handles it, or the importing worker
  event.stopImmediatePropagation(); // an importing worker must not cache it or send it again
  const { response, event: busy, done } = respondSealed(context, event.clientId, event.request);
  const staying = setInterval(tell, STAY_EVERY_MS, event, STAY);
  void done.finally(() => clearInterval(staying));
  event.waitUntil(busy);
  event.respondWith(response.catch((error) => failed(event, error)));
});

guardScope(context);

async function takeOver(): Promise<TakenOver> {
  await scope.skipWaiting(); // resolves before a waiting worker is active
  await scope.clients.claim().catch(() => activating.then(() => scope.clients.claim()));
  return { type: TAKEN_OVER, configuration };
}

/** A network error, or a page for a refused form. The reason goes to the page as a message. */
function failed(event: FetchEvent, error: unknown): Response {
  const { request } = event;
  if (request.signal.aborted) return Response.error();
  console.error('mte-relay:', error);
  if (!(error instanceof RelayClientError)) return Response.error();
  void tell(event, failureOf(request, error));
  return error.code === 'initiator-refused' ? refusedNavigation() : Response.error();
}

function failureOf({ method, url }: Request, { code, message, mayHaveRun }: RelayClientError): RelayRequestFailure {
  return { type: FAILURE, method, url, code, message, mayHaveRun };
}

/** Sends a message to the requesting page. A navigation does not have a page yet: every open page receives it. */
async function tell({ clientId }: FetchEvent, message: RelayRequestFailure | typeof STAY): Promise<void> {
  const page = clientId === '' ? undefined : await scope.clients.get(clientId);
  for (const one of page ? [page] : await scope.clients.matchAll()) one.postMessage(message);
}
