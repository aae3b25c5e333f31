// Cases of SPEC §6 and §7 for relays, as scripts whose results the twin computes: hand-written ones, and every pair of
// messages with what may lie between them.
import type { RelayStateCase } from '../format.ts';
import { AGE_MAX_MS, IDLE_MS, LIFETIME_MS, MESSAGE_LIMIT, play, type Sent, type Step } from '../twin/relay.ts';

const NOW: Sent = { offsetMs: 0 };
const exchange = (n: number, sent: Sent = NOW): Step => ({ do: 'exchange', n, sent });
const cancel = (n: number, target: number): Step => ({ do: 'cancel', n, target });
const forged = (n: number): Step => ({ do: 'forged', n });
const brokenCancel = (n: number): Step => ({ do: 'broken cancel', n });
const repeat = (step: number): Step => ({ do: 'repeat', step });
const wait = (ms: number): Step => ({ do: 'wait', ms });

/** Far enough from a border that another clock beside it does not matter. */
const MARGIN_MS = 5_000;

/** What a request may state as its time. */
const TIMES: [string, Sent][] = [
  ['now', NOW],
  ['the oldest that runs', { offsetMs: -AGE_MAX_MS }],
  ['one ms too old', { offsetMs: -AGE_MAX_MS - 1 }],
  ['an hour old', { offsetMs: -3_600_000 }],
  ['as far in the future as runs', { offsetMs: AGE_MAX_MS }],
  ['one ms too far in the future', { offsetMs: AGE_MAX_MS + 1 }],
  ['zero', { value: '0' }],
  ['fifteen nines', { value: '9'.repeat(15) }],
  ['no field', 'missing'],
  ['an empty value', { value: '' }],
  ['sixteen digits', { value: '1'.repeat(16) }],
  ['a sign', { value: '+1800000000000' }],
  ['a minus', { value: '-1' }],
  ['a fraction', { value: '1800000000000.5' }],
  ['an exponent', { value: '18e11' }],
  ['hexadecimal digits', { value: '0x1a3185c5000' }],
  ['another script’s digits, as UTF-8', { value: '\u00d9\u00a1'.repeat(6) }],
  ['two values', { value: '1800000000000, 1800000000000' }],
];

export function relayStateCases(): RelayStateCase[] {
  return [...ages(), ...cancels(), ...lifetimes(), ...pairs()].map(([name, steps]) => {
    const results = play(steps);
    const needs = String(results) === String(play(steps, false)) ? {} : { needs: 'lifetimes' as const };
    return { name, ...needs, steps: steps.map((step, i) => ({ ...step, result: results[i] })) };
  });
}

type Script = [string, Step[]];

/** A refused age is refused behind the claim: neither the same bytes nor a cancel of them find the number fresh. */
function ages(): Script[] {
  return TIMES.map(([what, sent]) => [
    `time: ${what}; again; cancelled; the next one`,
    [exchange(0, sent), repeat(0), cancel(1, 0), exchange(2)],
  ]);
}

function cancels(): Script[] {
  return [
    ['a cancel before its message', [cancel(1, 0), exchange(0)]],
    ['a cancel behind its message', [exchange(0), cancel(1, 0)]],
    ['a cancel again is replayed', [exchange(0), cancel(1, 0), repeat(1), cancel(2, 0)]],
    ['two cancels of one message', [cancel(1, 0), cancel(2, 0), exchange(0)]],
    ['a cancel of a cancel', [cancel(1, 0), cancel(2, 1)]],
    ['a cancel that is cancelled does nothing', [cancel(2, 1), cancel(1, 0), exchange(0)]],
    ['a cancel of its own number', [cancel(0, 0), exchange(0)]],
    ['a cancel of a number behind the window', [exchange(1024), cancel(1025, 0), cancel(1026, 1)]],
    ['a cancel moves the window', [exchange(0), cancel(1, 1025), exchange(2), exchange(1026), exchange(1)]],
    ['the message limit does not bound what a cancel names', [exchange(0), cancel(1, MESSAGE_LIMIT), exchange(2)]],
    ['a forged message claims nothing', [forged(0), forged(5000), exchange(0), exchange(1)]],
    ['a forged copy of a claimed number', [exchange(0), forged(0), cancel(1, 0)]],
    ['a cancel of seven bytes claims its own number alone', [brokenCancel(0), repeat(0), cancel(1, 0), exchange(2)]],
    ['a cancel of seven bytes with a claimed number', [exchange(0), brokenCancel(0), cancel(1, 0)]],
    ['the message limit', [exchange(MESSAGE_LIMIT - 1), exchange(MESSAGE_LIMIT), cancel(MESSAGE_LIMIT, 5)]],
    ['held back and delivered behind its cancel', [exchange(1), cancel(2, 0), wait(60_000), exchange(0), repeat(0)]],
    [
      'held back until it is too old',
      [exchange(1), wait(AGE_MAX_MS + 1), exchange(0, { offsetMs: -AGE_MAX_MS - 1 }), cancel(2, 0)],
    ],
    ['a copy of what ran, later', [exchange(0), wait(AGE_MAX_MS + 1), repeat(0), cancel(1, 0)]],
  ];
}

function lifetimes(): Script[] {
  const before = IDLE_MS - MARGIN_MS;
  const behind = IDLE_MS + MARGIN_MS;
  const whole = Array.from({ length: 4 }, (_, i) => [wait(before), exchange(i + 1)]).flat();
  return [
    ['never used, for less than 30 s', [wait(25_000), exchange(0)]],
    ['never used, for more than 30 s', [wait(35_000), exchange(0), cancel(1, 0)]],
    ['what does not open does not keep a session', [forged(0), wait(35_000), exchange(0)]],
    ['a cancel keeps a session', [cancel(1, 0), wait(35_000), exchange(2)]],
    ['idle, but not for too long', [exchange(0), wait(before), exchange(1), wait(before), exchange(2)]],
    [
      'idle for too long, it ends, but for cancels',
      [exchange(0), wait(behind), exchange(1), cancel(2, 1), cancel(3, 0)],
    ],
    [
      'an ended session does not begin again',
      [exchange(0), wait(behind), cancel(1, 5), wait(1000), exchange(2), exchange(5)],
    ],
    ['a cancel of seven bytes in an ended session', [exchange(0), wait(behind), brokenCancel(1), cancel(2, 1)]],
    ['a forged message in an ended session', [exchange(0), wait(behind), forged(1), cancel(2, 1)]],
    ['copies do not keep a session', [exchange(0), wait(before), repeat(0), wait(2 * MARGIN_MS), exchange(1)]],
    [
      'requests that are too old keep a session',
      [exchange(0), wait(before), exchange(1, { value: '0' }), wait(before), exchange(2)],
    ],
    [
      'used until the end of its lifetime',
      [exchange(0), ...whole, wait(LIFETIME_MS - 4 * before + MARGIN_MS), exchange(9), cancel(10, 9)],
    ],
    [
      'cancels until the end of its lifetime',
      [exchange(0), wait(LIFETIME_MS - MARGIN_MS), cancel(1, 2), wait(2 * MARGIN_MS), cancel(3, 0)],
    ],
  ];
}

/** A message, something in between, and a second one that has to do with the first. */
function pairs(): Script[] {
  const firsts: [string, Step][] = [
    ['an exchange', exchange(3)],
    ['an exchange that is too old', exchange(3, { offsetMs: -AGE_MAX_MS - 1 })],
    ['an exchange without a time', exchange(3, 'missing')],
    ['a forged exchange', forged(3)],
    ['a cancel of 3', cancel(4, 3)],
    ['a cancel of 5', cancel(4, 5)],
  ];
  const betweens: [string, Step[]][] = [
    ['', []],
    [', a later message', [exchange(9)]],
    [', the window moves on', [exchange(3 + 1024)]],
    [', ten minutes', [wait(600_000)]],
    [', the session ends', [wait(IDLE_MS + MARGIN_MS)]],
  ];
  const seconds: [string, Step][] = [
    ['exchange 3', exchange(3)],
    ['exchange 5', exchange(5)],
    ['a cancel of 3', cancel(6, 3)],
    ['a cancel of 4', cancel(6, 4)],
  ];
  return firsts.flatMap(([first, one]) =>
    betweens.flatMap(([between, inside]) =>
      seconds.map(
        ([second, two]): Script => [`${first}${between}, then ${second}`, [exchange(0), one, ...inside, two]],
      ),
    ),
  );
}
