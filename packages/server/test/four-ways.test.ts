// What holds on every way through the relay, said once: each row is one behaviour, run over the sealed exchange, the sealed
// WebSocket, the pass-through request and the pass-through WebSocket; pairing joins where no upstream is needed. Everything
// is seen from outside: sockets, log lines, metrics, spans.
import { describe, expect, test } from 'vitest';
import { ACCOUNT_ROWS } from './four-ways/accounts.ts';
import { FIELD_ROWS } from './four-ways/fields.ts';
import { LIMIT_ROWS } from './four-ways/limits.ts';
import type { Row } from './four-ways/row.ts';
import { UPSTREAM_FAILURE_ROWS } from './four-ways/upstream-failures.ts';
import { PAIRING, type Route, WAYS } from './support/four-ways.ts';

const ROWS: readonly Row[] = [...UPSTREAM_FAILURE_ROWS, ...FIELD_ROWS, ...LIMIT_ROWS, ...ACCOUNT_ROWS];

/** Rows that do not hold yet: each is asserted to fail, so that it is struck off when it holds. */
const NOT_YET: Readonly<Record<string, readonly Route['name'][]>> = {
  'an upstream breaks off inside its response: one warning has the code': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'an upstream breaks off inside its response: the account has the code and no end': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'an upstream breaks off inside its response: it counts as aborted': ['sealed WebSocket', 'pass-through WebSocket'],
  'a request beyond the limit: its id is on the refusal': [
    'sealed exchange',
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
    'pairing',
  ],
  'an upstream is down: HEADERS stands on the response that the application sees': ['sealed WebSocket'],
  'CORS fields of the upstream do not reach the application': ['sealed exchange', 'sealed WebSocket'],
  'a page of another origin is refused and counted, and the upstream not asked': ['pass-through request'],
  'a request beyond the limit: it counts as refused': [
    'sealed exchange',
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
    'pairing',
  ],
  'a request beyond the limit: one account has its code': [
    'sealed exchange',
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
    'pairing',
  ],
  'a client goes away before the response: the upstream’s connection ends': ['pass-through WebSocket'],
  'a client goes away before the response: its place is free': ['pass-through WebSocket'],
  'a client goes away before the response: its account has no end': ['pass-through WebSocket'],
  'a client goes away before the response: it counts as aborted, and as no failure': ['pass-through WebSocket'],
};

describe.each(WAYS)('$name', (way) => {
  for (const row of ROWS) testOf(row, way)(row.name, () => row.run(way));
});

describe(PAIRING.name, () => {
  for (const row of ROWS) if (row.of === 'routes') testOf(row, PAIRING)(row.name, () => row.run(PAIRING));
});

test('each row has a name of its own, and the list of those that do not hold yet names rows', () => {
  const names = ROWS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(Object.keys(NOT_YET)));
});

function testOf({ name }: Row, route: Route): typeof test | typeof test.fails {
  return NOT_YET[name]?.includes(route.name) ? test.fails : test;
}
