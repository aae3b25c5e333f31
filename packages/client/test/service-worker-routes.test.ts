// Which URLs a service worker's routes list, compared as the relay compares its own.
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
  ['/api/*', `${PAGE}/api%2Fnotes`, false], // the relay refuses it
  ['/*', `${PAGE}/anything`, true],
  ['https://api.example/v1/*', 'https://api.example/v1/notes', true],
  ['https://api.example/v1/*', 'https://api.example/v2/notes', false],
  ['https://api.example/v1/*', `${PAGE}/v1/notes`, false],
])('%s lists %s: %s', (route, url, expected) => {
  expect(listed([route], url)).toBe(expected);
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

test('relay, pins and routes are what the script’s own URL says, whatever else is in it', () => {
  const configuration = { relay: RELAY, pins: ['sha256-a+/=', 'sha256-b'], routes: ['/api/*', 'https://x.example/*'] };
  const url = withConfiguration(new URL('https://app.example/mte-relay-sw.js?build=7'), configuration);
  expect(configurationIn(url.href)).toEqual(configuration);
  expect(url.searchParams.get('build')).toBe('7');
});
