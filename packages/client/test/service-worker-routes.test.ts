// A service worker seals requests to listed routes, also when only a generous server would read them so.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { workerConfigurationLine } from '@mte-relay/protocol';
import { expect, test } from 'vitest';
import { checkedRoutes, takeConfiguration } from '../src/service-worker/configuration.ts';
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

test.each<[string, RequestInit & { destination?: string }, boolean]>([
  ['a fetch', {}, true],
  ['an image', { destination: 'image' }, true],
  ['a frame', { destination: 'iframe' }, true],
  ['an EventSource', { cache: 'no-store', headers: { accept: 'text/event-stream' } }, true],
  [
    'a post with the content type of sealed messages',
    { method: 'POST', headers: { 'content-type': 'application/mte-relay' } },
    true,
  ],
])('%s to a listed route', (_what, { destination = '', ...init }, expected) => {
  const request = Object.defineProperty(new Request(`${PAGE}/api/notes`, init), 'destination', { value: destination });
  expect(new Routes(['/api/*'], RELAY, PAGE).seals(request)).toBe(expected);
});

test.each([
  '/api/mte',
  '/api/mte-pair',
  '/api/mte-relay',
  '/api/mte-ws',
  '/api/mte-echo',
  ...readdirSync(join(import.meta.dirname, '../../server/public')).map((file) => `/public/${file}`),
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

test('relay, pins and routes come from the first line of the script, and only once', () => {
  const pins = [`sha256-${Buffer.alloc(32).toString('base64')}`];
  const configuration = { relay: RELAY, pins, routes: ['/api/*', 'https://x.example/*'] };
  const scope = {};
  new Function('self', workerConfigurationLine(configuration))(scope);
  expect(takeConfiguration(scope, PAGE)).toEqual(configuration);
  expect(() => takeConfiguration(scope, PAGE)).toThrow(expect.objectContaining({ code: 'misuse' }));
});

test('a relay that serves the script has the origin of the page', () => {
  expect(takeConfiguration({ mteRelayWorker: { relay: 'self', pins: [], routes: ['/*'] } }, PAGE).relay).toBe(PAGE);
});

test.each([
  ['no configuration', undefined],
  ['no routes', { relay: 'self', pins: [], routes: [] }],
  ['a pin that is not a hash', { relay: 'self', pins: ['sha256-x'], routes: ['/*'] }],
  ['a relay with a path', { relay: 'https://relay.example/x', pins: [], routes: ['/*'] }],
])('a script with %s is not installed', (_what, mteRelayWorker) => {
  expect(() => takeConfiguration({ mteRelayWorker }, PAGE)).toThrow(expect.objectContaining({ code: 'misuse' }));
});
