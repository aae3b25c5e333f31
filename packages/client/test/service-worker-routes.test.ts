// A service worker seals requests to listed routes, also when only a generous server would read them so.
import { expect, test } from 'vitest';
import { checkedRoutes, configurationIn, withConfiguration } from '../src/service-worker/configuration.ts';
import { Routes } from '../src/service-worker/routes.ts';

const RELAY = 'https://relay.example';
const PAGE = 'https://app.example';
const listed = (routes: string[], url: string): boolean => new Routes(checkedRoutes(routes), RELAY, PAGE).lists(url);

test.each([
  ['/api/*', `${PAGE}/api/notes?x=1#y`, true],
  ['/api/*', `${RELAY}/api/notes`, true],
  ['/api/*', `${PAGE}/api`, false],
  ['/api/notes', `${PAGE}/api/notes?x`, true],
  ['/api/notes', `${PAGE}/api/notes/1`, false],
  ['/api/*', 'https://other.example/api/notes', false],
  ['/api/*', 'https://app.example.evil/api/notes', false],
  ['/api/*', 'http://app.example/api/notes', false],
  ['/api/*', `${PAGE}/x?/api/notes`, false],
  ['/api/*', `${PAGE}/x#/api/notes`, false],
  ['/api/*', `${PAGE}/x/../api/notes`, true],
  ['/api/*', `${PAGE}/%61pi/notes`, true], // the relay reads it so
  // The relay refuses some of these, sealed; a server that does not would have read them.
  ['/api/*', `${PAGE}/api%2Fnotes`, true],
  ['/api/*', `${PAGE}/api%5cnotes`, true],
  ['/api/*', `${PAGE}//api///notes`, true],
  ['/api/*', `${PAGE}/API/Notes`, true],
  ['/Api/v1', `${PAGE}/api/V1`, true],
  ['/%61pi/*', `${PAGE}/api/notes`, true],
  ['/api/*', `${PAGE}/api;x/notes`, false],
  ['/api/*', `${PAGE}/apis/notes`, false],
  ['/*', `${PAGE}/anything`, true],
  ['https://api.example/v1/*', 'https://api.example/v1/notes', true],
  ['https://api.example/v1/*', 'https://api.example/v2/notes', false],
  ['https://api.example/v1/*', `${PAGE}/v1/notes`, false],
])('%s lists %s: %s', (route, url, expected) => {
  expect(listed([route], url)).toBe(expected);
});

const STREAM = { cache: 'no-store', headers: { accept: 'text/event-stream' } } as const;

test.each<[string, RequestInit, boolean]>([
  ['a fetch', {}, true],
  ['an EventSource', STREAM, false],
  ['an EventSource that reconnects', { ...STREAM, headers: { ...STREAM.headers, 'last-event-id': '7' } }, false],
  ['a fetch that reads a stream with a token', { ...STREAM, headers: { ...STREAM.headers, authorization: 'x' } }, true],
  ['a fetch that reads a stream by POST', { ...STREAM, method: 'POST' }, true],
  ['a message that is sealed already', { method: 'POST', headers: { 'content-type': 'application/mte-relay' } }, false],
])('%s to a listed route', (_what, init, expected) => {
  // Node's Request has no destination; a browser's has the empty one for fetch and its kin.
  const request = Object.defineProperty(new Request(`${PAGE}/api/notes`, init), 'destination', { value: '' });
  expect(new Routes(['/api/*'], RELAY, PAGE).seals(request)).toBe(expected);
});

test.each([
  '/api/mte',
  '/api/mte-pair',
  '/api/mte-relay',
  '/api/mte-ws',
  '/api/mte-echo',
  '/public/mte-relay-client.js',
  '/public/mte-relay-client.mjs',
  '/public/mte-relay-sw.js',
])('the relay’s own %s is in no route, however wide', (path) => {
  expect(listed(['/*', `${RELAY}/*`], RELAY + path)).toBe(false);
});

test.each([
  '',
  'api',
  '//evil.example/',
  '/a b',
  '/a?b',
  '/a#b',
  '/a*b',
  '/**',
  'ftp://a.example/',
  'https://a.example',
])('a route "%s" is refused', (route) => {
  expect(() => listed([route], PAGE)).toThrow(expect.objectContaining({ code: 'misuse' }));
});

test('relay, pins and routes come from the script’s own URL, whatever else is in it', () => {
  const configuration = { relay: RELAY, pins: ['sha256-a+/=', 'sha256-b'], routes: ['/api/*', 'https://x.example/*'] };
  const url = withConfiguration(new URL('https://app.example/mte-relay-sw.js?build=7'), configuration);
  expect(configurationIn(url.href)).toEqual(configuration);
  expect(url.searchParams.get('build')).toBe('7');
});
