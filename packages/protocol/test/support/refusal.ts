// What an input is refused with.
import { expect } from 'vitest';
import { ProtocolError, type ProtocolErrorCode } from '../../src/errors.ts';

/**
 * The code of the ProtocolError that `work` fails with, or "passed" when it does not fail.
 * Anything else that is thrown is a fault of the code under test and goes on up.
 */
export async function refusalOf(work: () => unknown): Promise<ProtocolErrorCode | 'passed'> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'passed';
}

export async function expectRefusal(
  code: ProtocolErrorCode | readonly ProtocolErrorCode[],
  work: () => unknown,
  where?: string,
): Promise<void> {
  const expected = typeof code === 'string' ? [code] : code;
  expect(expected, where).toContain(await refusalOf(work));
}
