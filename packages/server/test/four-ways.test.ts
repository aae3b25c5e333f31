// One table for all ways through the relay: each row is a behaviour, and runs over the sealed exchange, the sealed WebSocket,
// the pass-through request and the pass-through WebSocket. Rows that need no upstream run over pairing too. The table sees
// the relay from outside: sockets, log lines, metrics, spans.
import { describe, expect, test } from 'vitest';
import { ACCOUNT_ROWS } from './four-ways/accounts.ts';
import { FIELD_ROWS } from './four-ways/fields.ts';
import { LIMIT_ROWS } from './four-ways/limits.ts';
import type { Row } from './four-ways/row.ts';
import { UPSTREAM_FAILURE_ROWS } from './four-ways/upstream-failures.ts';
import { PAIRING, WAYS } from './support/four-ways.ts';

const ROWS: readonly Row[] = [...UPSTREAM_FAILURE_ROWS, ...FIELD_ROWS, ...LIMIT_ROWS, ...ACCOUNT_ROWS];

describe.each(WAYS)('$name', (way) => {
  for (const row of ROWS) test(row.name, () => row.run(way));
});

describe(PAIRING.name, () => {
  for (const row of ROWS) if (row.of === 'routes') test(row.name, () => row.run(PAIRING));
});

test('each row has a name of its own', () => {
  const names = ROWS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
