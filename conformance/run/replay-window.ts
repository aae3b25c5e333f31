// Cases of SPEC §6.
import { ReplayWindow } from '@mte-relay/protocol';
import type { WindowCase } from '../format.ts';
import { type Case, expectSame } from './case.ts';

export function windowCases(cases: readonly WindowCase[]): Case[] {
  return cases.map(({ name, claims }) => ({
    name: `replay window: ${name}`,
    run() {
      const window = new ReplayWindow();
      expectSame(
        claims.map(([n]) => [n, window.claim(n)]),
        claims,
      );
    },
  }));
}
