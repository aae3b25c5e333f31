// What the cases of messages and of WebSockets have in common: the session they are sealed in, the shape of a case that
// must be refused, and the proof that the twin refuses what it has made.
import type { MessageVectors, PairingCase, RefusedCase } from '../format.ts';
import { hex, uint } from '../twin/bytes.ts';
import { type FailureClass, Refused } from '../twin/refused.ts';

export type Session = MessageVectors['session'];

/** The session of the first pairing case. */
export function sessionOf([pairing]: PairingCase[]): Session {
  if (!pairing) throw new Error('no pairing case');
  return {
    sid: pairing.parameters.sid,
    requestSecret: pairing.requestSecret,
    responseSecret: pairing.responseSecret,
  };
}

/** Makes cases that one side refuses: an input, or a mutation of the bytes of the base. */
export function refusedBy(side: 'relay' | 'client', base: string) {
  return (name: string, expect: FailureClass, how: Pick<RefusedCase, 'input' | 'mutation'>): RefusedCase => ({
    name: `${side}: ${name}`,
    side,
    base,
    ...how,
    expect,
  });
}

/** One byte of the base replaced. */
export function replacedByte(at: number, value: number): { mutation: NonNullable<RefusedCase['mutation']> } {
  return { mutation: { op: 'replace', at, bytes: hex(uint(1, value)) } };
}

/** The twin must refuse what it has made, for the reason that stands there. */
export function expectFailure({ name, expect }: { name: string; expect: FailureClass }, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (error instanceof Refused && error.failure === expect) return;
    throw new Error(`${name}: expected ${expect}`, { cause: error });
  }
  throw new Error(`${name}: expected ${expect}, the twin accepts it`);
}
