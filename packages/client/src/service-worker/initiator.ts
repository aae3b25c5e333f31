// Who caused a request, as far as a browser shows it to a worker: a fetch of a page that the worker controls is the page's
// own; a navigation may come from anywhere. The API receives no more than the browser would have sent itself.
import type { Fields } from '@mte-relay/protocol';
import type { Initiator } from '../call/initiator.ts';
import { hasNoBody } from './scope.ts';

/** Undefined for a navigation with a body whose initiator is not provably of the page's own origin. */
export function initiatorOf(request: Request, pageOrigin: string): Initiator | undefined {
  const { mode, destination, url } = request;
  const facts: Fields = [
    ['sec-fetch-mode', mode],
    ['sec-fetch-dest', destination || 'empty'],
  ];
  const isReading = hasNoBody(request);
  const origin: Fields = [['origin', pageOrigin]];
  if (mode !== 'navigate') {
    const withOrigin = !isReading || (mode === 'cors' && new URL(url).origin !== pageOrigin); // Fetch §3.2
    return { sameSite: 'strict', fields: [...siteOf(url, pageOrigin), ...facts, ...(withOrigin ? origin : [])] };
  }
  if (isOwn(request, pageOrigin)) {
    const fields: Fields = [['sec-fetch-site', 'same-origin'], ...facts, ...(isReading ? [] : origin)];
    return { sameSite: 'strict', fields };
  }
  if (!isReading) return undefined;
  // A browser shows a worker neither an address that the user typed nor the site of a page without a referrer.
  return {
    sameSite: destination === 'document' ? 'lax' : 'none',
    fields: [['sec-fetch-site', 'cross-site'], ...facts],
  };
}

/** Firefox does not show a worker the Origin of a navigation. */
function isOwn({ headers, referrer }: Request, pageOrigin: string): boolean {
  const origin = headers.get('origin');
  return origin === null ? URL.canParse(referrer) && new URL(referrer).origin === pageOrigin : origin === pageOrigin;
}

/** Nothing for another host: whether it is of the same site depends on a list that a script does not have. */
function siteOf(url: string, pageOrigin: string): Fields {
  const [target, page] = [new URL(url), new URL(pageOrigin)];
  if (target.origin === page.origin) return [['sec-fetch-site', 'same-origin']];
  const isSameSite = target.hostname === page.hostname && target.protocol === page.protocol;
  return isSameSite ? [['sec-fetch-site', 'same-site']] : [];
}

/** The page that a refused navigation shows, without a script. */
export function refusedNavigation(): Response {
  const text =
    '<!doctype html><meta charset="utf-8"><title>Not sent</title><h1>Not sent</h1><p>Another site, or a page that does ' +
    'not show its origin, has submitted a form to this one. The form was not sent. Open this site yourself and try again.';
  return new Response(text, {
    status: 403,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    },
  });
}
