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

/** What the page shows after the login of what the browser loads itself: image, event stream, frame. */
export function shownOfWeir(): unknown[] {
  const gauge = document.querySelector('#gauge') as HTMLImageElement;
  const report = document.querySelector('#report') as HTMLIFrameElement;
  const event = document.querySelector('#event')?.textContent;
  return [gauge.complete && gauge.naturalWidth, event, report.contentDocument?.querySelector('p')?.textContent];
}

/** Downloads the notes by the page's link; the text of the file that the page, or the browser itself, gets. */
export function clickDownload(): void {
  (document.querySelector('#export') as HTMLAnchorElement).click();
}

/** Signs out by a form of its own: the app's page, which has one too, names its routes in clear. */
export function signOut(): void {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: '/api/v1/logout' });
  document.body.append(form);
  setTimeout(() => form.submit());
}
