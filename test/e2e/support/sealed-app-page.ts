// The code that runs in the page of an app behind the service worker, whichever browser it is.

declare global {
  /** The worker that looked after the page before {@link updateWorker}. */
  var oldWorker: ServiceWorker | null;
}

/** Looks for another version of the worker, and returns the states of the present and of the new one once that is installed. */
export async function updateWorker(): Promise<(string | undefined)[]> {
  const registration = await navigator.serviceWorker.ready;
  globalThis.oldWorker = registration.active;
  await registration.update();
  const worker = registration.installing ?? registration.waiting;
  while (worker?.state === 'installing') await new Promise((resolve) => setTimeout(resolve, 10));
  return [registration.active?.state, worker?.state];
}

export function isOldWorkerGone(): boolean {
  return globalThis.oldWorker?.state === 'redundant';
}

/** Calls a route that waits to be released; the text, or the message of the error. */
export async function callHeld([method, id]: readonly [method: string, id: string]): Promise<string> {
  const init = method === 'GET' ? {} : { method, body: 'content' };
  return await fetch(`/api/v1/test/held?id=${id}`, init).then(
    (response) => response.text(),
    (error: Error) => error.message,
  );
}

/** Loads an image and an event stream, which no worker seals; what becomes of each. */
export async function loadPassedBy(): Promise<string[]> {
  const image = new Image();
  const source = new EventSource('/api/v1/events');
  const failed = (target: EventTarget): Promise<string> =>
    new Promise((resolve) => target.addEventListener('error', () => resolve('refused'), { once: true }));
  image.src = '/api/v1/image.png';
  const outcomes = await Promise.all([failed(image), failed(source)]);
  source.close();
  return outcomes;
}
