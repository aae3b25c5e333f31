import { isIdempotent, isSafe } from '@mte-relay/protocol';
import { expect, test } from 'vitest';

test.each(['GET', 'HEAD', 'OPTIONS', 'TRACE'])('%s is safe and idempotent (RFC 9110 §9.2.1)', (method) => {
  expect([isSafe(method), isIdempotent(method)]).toEqual([true, true]);
});

test.each(['PUT', 'DELETE'])('%s is idempotent and not safe (RFC 9110 §9.2.2)', (method) => {
  expect([isSafe(method), isIdempotent(method)]).toEqual([false, true]);
});

test.each(['POST', 'PATCH', 'CONNECT', 'PURGE', 'get', 'Put', ''])('"%s" is neither safe nor idempotent', (method) => {
  expect([isSafe(method), isIdempotent(method)]).toEqual([false, false]);
});
