// Who caused a request, by what browsers show to a worker: Chromium the Origin of a posted form, Firefox its referrer alone.
import { expect, test } from 'vitest';
import { initiatorOf } from '../src/service-worker/initiator.ts';

const PAGE = 'https://app.example';
const EVIL = 'https://evil.example';

interface Shown {
  readonly method?: string;
  readonly mode?: string;
  readonly destination?: string;
  readonly url?: string;
  readonly origin?: string;
  readonly referrer?: string;
}

/** Node's Request knows neither navigations nor destinations. */
function shown({ origin, ...facts }: Shown): Request {
  const headers = new Headers(origin === undefined ? {} : { origin });
  const request = { method: 'GET', mode: 'cors', destination: '', url: `${PAGE}/api`, referrer: '', headers, ...facts };
  return request as unknown as Request;
}

const FORM = { method: 'POST', mode: 'navigate', destination: 'document' };
const LINK = { mode: 'navigate', destination: 'document' };

test.each<[string, Shown]>([
  ['another origin', { ...FORM, origin: EVIL, referrer: `${EVIL}/` }],
  ['another origin without a referrer', { ...FORM, origin: 'null' }],
  ['another referrer, without an origin', { ...FORM, referrer: `${EVIL}/` }],
  ['nothing', FORM],
  ['an opaque origin, in spite of its referrer', { ...FORM, origin: 'null', referrer: `${PAGE}/` }],
  ['another port', { ...FORM, origin: `${PAGE}:8443` }],
  ['a longer host', { ...FORM, referrer: 'https://app.example.evil.example/' }],
  ['a referrer that is not a URL', { ...FORM, referrer: 'about:client ' }],
])('a form that shows %s is refused', (_what, facts) => {
  expect(initiatorOf(shown(facts), PAGE)).toBeUndefined();
});

test.each<[string, Shown, string, Record<string, string>]>([
  [
    'an own form',
    { ...FORM, origin: PAGE },
    'strict',
    { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', origin: PAGE },
  ],
  [
    'an own form in Firefox',
    { ...FORM, referrer: `${PAGE}/x` },
    'strict',
    { 'sec-fetch-site': 'same-origin', origin: PAGE },
  ],
  ['an own link', { ...LINK, referrer: `${PAGE}/x` }, 'strict', { 'sec-fetch-site': 'same-origin' }],
  ['a link of another site', { ...LINK, referrer: `${EVIL}/` }, 'lax', { 'sec-fetch-site': 'cross-site' }],
  ['an address', LINK, 'lax', { 'sec-fetch-site': 'cross-site' }],
  ['a frame of another site', { ...LINK, destination: 'iframe' }, 'none', { 'sec-fetch-site': 'cross-site' }],
  ['an object of another site', { ...LINK, destination: 'object' }, 'none', { 'sec-fetch-site': 'cross-site' }],
  ['a fetch', {}, 'strict', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
  ['a POST by fetch', { method: 'POST' }, 'strict', { 'sec-fetch-site': 'same-origin', origin: PAGE }],
  [
    'an image',
    { mode: 'no-cors', destination: 'image' },
    'strict',
    { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
  ],
  ['a fetch of another port', { url: `${PAGE}:8443/api` }, 'strict', { 'sec-fetch-site': 'same-site', origin: PAGE }],
  ['a fetch of another host', { url: 'https://api.example/' }, 'strict', { origin: PAGE }],
])('%s carries what a browser would have sent', (_what, facts, sameSite, fields) => {
  const initiator = initiatorOf(shown(facts), PAGE);
  expect(initiator?.sameSite).toBe(sameSite);
  const sent = Object.fromEntries(initiator?.fields ?? []);
  expect(sent).toMatchObject(fields);
  for (const name of ['origin', 'sec-fetch-site']) expect(sent[name]).toBe(fields[name]);
  expect(sent).not.toHaveProperty('sec-fetch-user');
});
