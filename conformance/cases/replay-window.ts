// Cases of SPEC §6, made by the twin.
import type { WindowCase } from '../format.ts';
import { Window } from '../twin/replay-window.ts';

function claims(name: string, numbers: number[]): WindowCase {
  const window = new Window();
  return { name, claims: numbers.map((n) => [n, window.claim(n)]) };
}

export function windowCases(): WindowCase[] {
  const count = (from: number, to: number, step = 1) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
  const largest = Number.MAX_SAFE_INTEGER;
  // A fixed congruential sequence: numbers around a top that moves on, some twice.
  let state = 1;
  const wandering = count(0, 599).map((i) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.max(0, i * 7 + (state % 2600) - 1300);
  });
  return [
    claims('in order, then all again', [...count(0, 70), ...count(0, 70)]),
    claims('out of order', [5, 3, 4, 0, 1, 2, 5, 0]),
    claims('the edges of the window', [1024, 1, 0, 1, 1023, 1024, 2]),
    claims('the first number is far', [5000, 3977, 3976, 3977, 4500, 5000, 4999]),
    claims('a jump of exactly the window', [0, 1024, 0, 1, 1024]),
    claims('a jump beyond the window forgets nothing that counts', [10, 11, 2000, 11, 977, 976, 977, 2000]),
    claims('a jump of many windows', [0, 1, 2, 1_000_000, 2, 999_000, 998_976, 998_977, 1_000_000]),
    claims('numbers that share a place in a ring of 1,056', [0, 1056, 2112, 1056, 1089, 2112, 1088]),
    claims('block borders', [31, 32, 63, 64, 31, 32, 63, 64, 1055, 1056, 31, 32, 33, 1055]),
    claims('above 32 bits', [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32, 2 ** 32 - 1, 2 ** 32 - 1022, 2 ** 32 - 1023]),
    claims('the largest number', [largest - 1, largest, largest - 1023, largest - 1024, largest, largest - 1]),
    claims('backwards', count(0, 1100, 25).reverse()),
    claims('wandering', wandering),
  ];
}
