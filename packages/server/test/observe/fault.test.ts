import { expect, test } from 'vitest';
import { faultOf } from '../../src/observe/fault.ts';

const frameLike = 'first\n    at marked (/marked.ts:1:1)\nlast marked';

test.each([
  ['in its message', new Error('marked')],
  ['in a message that looks like a stack', new Error(frameLike)],
  ['in its name', Object.assign(new Error('x'), { name: 'marked !' })],
  ['in its code', Object.assign(new Error('x'), { code: 'marked\n' })],
  ['in a stack that does not show its message', Object.assign(new Error('y'), { stack: frameLike, message: 'z' })],
  ['in its cause', new Error('x', { cause: new Error(frameLike) })],
  ['beside it', Object.assign(new Error('x'), { request: 'marked', body: 'marked' })],
  ['alone', 'marked'],
])('the text of an error %s is not reported', (_where, error) => {
  expect(JSON.stringify(faultOf(error))).not.toContain('marked');
});

test('kind, code, place and cause of an error are reported', () => {
  const cause = Object.assign(new RangeError('secret'), { code: 'ERANGE' });
  const fault = faultOf(Object.assign(new TypeError('secret', { cause }), { code: 'ECONNREFUSED' }));
  expect(fault).toMatchObject({
    name: 'TypeError',
    code: 'ECONNREFUSED',
    cause: { name: 'RangeError', code: 'ERANGE' },
  });
  expect(fault.at?.[0]).toMatch(/^at .*fault\.test\.ts:\d+:\d+\)?$/);
});

test('a chain of causes ends, even one that bites its tail', () => {
  const error = new Error('x');
  error.cause = error;
  expect(JSON.stringify(faultOf(error)).length).toBeLessThan(10_000);
});
