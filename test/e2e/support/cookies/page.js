// What a page or a dedicated worker of the cookie table does: calls of the API by every way that the platform has, either
// the platform's own or the relay client's. Its URL names the relay; without one it calls the API directly.
const options = new URL(location.href).searchParams;

if (options.has('without-storage')) {
  const refuse = () => {
    throw new DOMException('refused', 'SecurityError');
  };
  Object.defineProperty(globalThis, 'indexedDB', { get: refuse });
}

const ways = chooseWays();

/**
 * Takes steps one after the other: the calls of a step at once, or an assignment to `document.cookie`.
 * @returns for each step the outcomes of its calls, and `document.cookie` behind it
 */
globalThis.perform = async (steps) => {
  const by = waysToCall(await ways);
  const failure = (error) => error.code ?? error.name;
  const seen = [];
  for (const { calls = [], script } of steps) {
    // biome-ignore lint/suspicious/noDocumentCookie: what a page of any age does
    if (script !== undefined) document.cookie = script;
    const outcomes = await Promise.all(calls.map(async (call) => await by[call.way](call).catch(failure)));
    seen.push({ outcomes, document: globalThis.document?.cookie });
  }
  return seen;
};

if (globalThis.document === undefined)
  globalThis.onmessage = async ({ data }) => {
    const [{ outcomes }] = await globalThis.perform([{ calls: [data] }]);
    postMessage(outcomes[0]);
  };

function waysToCall({ fetch, EventSource, WebSocket }) {
  return {
    fetch: async ({ url, method, credentials, mode }) => {
      const response = await fetch(url, { method, credentials, mode });
      await response.text();
      return response.status;
    },
    // Past the relay's client.
    platform: async ({ url, method }) => (await globalThis.fetch(url, { method })).status,
    xhr: ({ url, method, credentials }) =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.withCredentials = credentials === 'include';
        request.open(method, url);
        request.onloadend = () => resolve(request.status);
        request.send();
      }),
    'event-source': ({ url, credentials }) =>
      new Promise((resolve) => {
        const source = new EventSource(url, { withCredentials: credentials === 'include' });
        source.onmessage = source.onerror = ({ type }) => {
          source.close();
          resolve(type);
        };
      }),
    'web-socket': ({ url }) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url.replace('http', 'ws'));
        socket.onclose = ({ code }) => resolve(code);
      }),
    'dedicated-worker': (call) =>
      new Promise((resolve) => {
        const worker = new Worker(`/_/page.js${location.search}`, { type: 'module' });
        worker.onmessage = ({ data }) => {
          worker.terminate();
          resolve(data);
        };
        worker.postMessage({ ...call, way: 'fetch' });
      }),
    beacon: async ({ url }) => navigator.sendBeacon(url),
  };
}

async function chooseWays() {
  const relay = options.get('relay');
  const platform = {
    fetch: globalThis.fetch.bind(globalThis),
    EventSource: globalThis.EventSource,
    WebSocket: globalThis.WebSocket,
  };
  if (!relay) return platform;
  const pins = options.getAll('pin');
  if (!options.has('service-worker')) {
    const { createRelayClient } = await import('/_/client.mjs');
    return createRelayClient(relay, pins.length > 0 ? { pins } : {});
  }
  // A dedicated worker is controlled as its page is.
  if (globalThis.document) {
    const { installRelayServiceWorker } = await import('/_/install.mjs');
    await installRelayServiceWorker({ relay, timeoutMs: 60_000 });
  }
  return platform;
}
