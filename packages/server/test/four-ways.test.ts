// One table for all ways through the relay: each row is a behaviour, and runs over the sealed exchange, the sealed WebSocket,
// the pass-through request and the pass-through WebSocket. Rows that need no upstream run over pairing too. The table sees
// the relay from outside: sockets, log lines, metrics, spans.
import { describe, expect, test } from 'vitest';
import { ACCOUNT_ROWS } from './four-ways/accounts.ts';
import { FIELD_ROWS } from './four-ways/fields.ts';
import { LIMIT_ROWS } from './four-ways/limits.ts';
import type { Row } from './four-ways/row.ts';
import { UPSTREAM_FAILURE_ROWS } from './four-ways/upstream-failures.ts';
import { PAIRING, type Route, WAYS } from './support/four-ways.ts';

const ROWS: readonly Row[] = [...UPSTREAM_FAILURE_ROWS, ...FIELD_ROWS, ...LIMIT_ROWS, ...ACCOUNT_ROWS];

/** Routes for which a row does not hold yet. These are asserted to fail, so a fix has to strike them off. */
const NOT_YET: Readonly<Record<string, readonly Route['name'][]>> = {
  'an upstream is down: one warning names the request, the code and the fault': [
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream is down: the account has the status, the code and the time': [
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream is down: it counts as one 5xx and one failure': ['pass-through request', 'pass-through WebSocket'],
  'an upstream breaks off: one warning names the request, the code and the fault': [
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream breaks off: the account has the status, the code and the time': [
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream breaks off: it counts as one 5xx and one failure': ['pass-through request', 'pass-through WebSocket'],
  'an upstream does not respond in time: one warning names the request, the code and the fault': [
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream does not respond in time: the account has the status, the code and the time': [
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream does not respond in time: it counts as one 5xx and one failure': [
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream breaks off inside its response: one warning has the code': [
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream breaks off inside its response: the account has the code and is not complete': [
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
  ],
  'an upstream breaks off inside its response: it counts as aborted': ['sealed WebSocket', 'pass-through WebSocket'],
  'an upstream refuses: the account alone is logged, with its status and no code': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'the relay takes the path of UPSTREAM off the path of a cookie': ['pass-through WebSocket'],
  'the outer response has the request id that came': ['sealed WebSocket', 'pass-through WebSocket'],
  'the outer response has the id that the relay made': ['sealed WebSocket', 'pass-through WebSocket'],
  'a request beyond the limit: the refusal has the request id': [
    'sealed exchange',
    'sealed WebSocket',
    'pass-through request',
    'pass-through WebSocket',
    'pairing',
  ],
  'an upstream is down: the outer response has the request id': ['sealed WebSocket', 'pass-through WebSocket'],
  'an upstream refuses: the outer response has the request id': ['sealed WebSocket', 'pass-through WebSocket'],
  'an upstream is down: the outer response has the fields of HEADERS': ['pass-through WebSocket'],
  'an upstream is down: the application sees the fields of HEADERS': ['sealed WebSocket', 'pass-through WebSocket'],
  'CORS fields of the upstream do not reach the outer response': ['pass-through WebSocket'],
  'an upstream refuses: its CORS fields do not reach the outer response': ['pass-through WebSocket'],
  'CORS fields of the upstream do not reach the application': [
    'sealed exchange',
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'a page of another origin is refused and counted, and the upstream sees nothing': ['pass-through request'],
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
  'a client goes away before the response: the relay counts it as under way no more': ['pass-through WebSocket'],
  'a client goes away before the response: the account is not complete': ['sealed WebSocket', 'pass-through WebSocket'],
  'a client goes away before the response: it counts as aborted, and as no failure': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'a request is one line in the log, its account': ['sealed WebSocket', 'pass-through WebSocket', 'pairing'],
  'an account has the same keys on every way': ['sealed WebSocket', 'pass-through WebSocket'],
  'an account has the times of the relay and of the upstream': ['sealed WebSocket', 'pass-through WebSocket'],
  'an account has the bytes of both directions, sealed as they are': ['sealed WebSocket', 'pass-through WebSocket'],
  'the upstream’s time is observed once': ['sealed WebSocket', 'pass-through WebSocket'],
  'the bytes of the account are counted': ['sealed WebSocket', 'pass-through WebSocket'],
  'a request is one span, whose trace the log names': ['sealed WebSocket', 'pass-through WebSocket', 'pairing'],
  'a request without a trace begins one, which the upstream gets': ['sealed WebSocket', 'pass-through WebSocket'],
  'a span is in the trace that the request names, and the call to the upstream below it': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
  'the upstream gets the span of its call in traceparent': ['sealed WebSocket', 'pass-through WebSocket'],
  'no span has path, query, field or body': ['sealed WebSocket', 'pass-through WebSocket'],
  'an upstream is down: both spans fail by the code': ['sealed WebSocket', 'pass-through WebSocket'],
  'an upstream refuses: the call fails by the status, the request does not': [
    'sealed WebSocket',
    'pass-through WebSocket',
  ],
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
