// Cases of SPEC §6 and §7 for a client's sessions: numbers, room, replacement, stated times, and what a new session
// proves of a lost one. The twin computes the results; cases keep away from what a client may choose (its reserves).
import type { LineageCase, SentTimeCase, SessionCase } from '../format.ts';
import { ClientSession, provesLost, type SessionEvent, sentMs } from '../twin/session.ts';

const USUAL = { lifetimeMs: 3_600_000, idleMs: 900_000, messageLimit: 2 ** 20, window: 1024 };
const NEVER_IDLE = { ...USUAL, idleMs: 3_600_000 };
const SHORT = { ...USUAL, messageLimit: 1000 };

/** An event without its result. */
type Cue = ['wait', number] | ['take', number] | ['settle', number, number] | ['room'] | ['state'];

function eventOf(session: ClientSession, cue: Cue): SessionEvent {
  switch (cue[0]) {
    case 'wait':
      session.wait(cue[1]);
      return { do: 'wait', ms: cue[1] };
    case 'take':
      return { do: 'take', count: cue[1], first: session.take(cue[1]) };
    case 'settle':
      session.settle(cue[1], cue[2]);
      return { do: 'settle', from: cue[1], to: cue[2] };
    case 'room':
      return { do: 'room', has: session.room };
    case 'state':
      return { do: 'state', is: session.state };
  }
}

function script(name: string, parameters: SessionCase['parameters'], ...cues: Cue[]): SessionCase {
  const session = new ClientSession(parameters);
  return { name, parameters, events: cues.map((cue) => eventOf(session, cue)) };
}

/** A first message with its response, so that the relay keeps the session. */
const CONFIRM: Cue[] = [
  ['take', 1],
  ['settle', 0, 0],
];

export function sessionCases(): SessionCase[] {
  const lifetimes = [0, 0.2, 0.5, 0.79, 0.81, 0.9, 1, 1.01, 2, 48].map((share) =>
    script(`${share} of its lifetime`, NEVER_IDLE, ...CONFIRM, ['wait', share * NEVER_IDLE.lifetimeMs], ['state']),
  );
  const idle = [0, 0.5, 0.9, 1, 1.01, 3].map((share) =>
    script(`idle for ${share} of its time`, USUAL, ...CONFIRM, ['wait', share * USUAL.idleMs], ['state']),
  );
  const numbers = [1, 500, 790, 810, 900, 1000, 1001].map((count) =>
    script(
      `${count} of 1000 numbers`,
      SHORT,
      ['take', count],
      ['settle', 0, count - 1],
      ['room'],
      ['state'],
      ['take', 3],
    ),
  );
  const windows = [1, 511, 512, 700, 1023, 1024, 5000].map((next) =>
    script(
      `number 0 without a response, ${next} is next`,
      USUAL,
      ['take', next],
      ['settle', 1, next - 1],
      ['room'],
      ...(next < 768 || next >= 1024 ? [['state'] as Cue] : []),
      ['settle', 0, 0],
      ['state'],
    ),
  );
  return [
    ...lifetimes,
    ...idle,
    ...numbers,
    ...windows,
    script(
      '512 in flight, and one that ends',
      USUAL,
      ['take', 511],
      ['room'],
      ['take', 1],
      ['room'],
      ['settle', 3, 3],
      ['room'],
      ['take', 1],
      ['room'],
      ['state'],
    ),
    script('every message has ended', USUAL, ['take', 512], ['settle', 0, 511], ['room'], ['take', 5], ['state']),
    script(
      'used again and again, it is not idle',
      USUAL,
      ...Array.from({ length: 4 }, (_, n): Cue[] => [
        ['take', 1],
        ['settle', n, n],
        ['wait', 600_000],
        ['state'],
      ]).flat(),
    ),
    script('a message in flight does not keep it', USUAL, ...CONFIRM, ['take', 1], ['wait', 900_000], ['state']),
    script(
      'numbers go on behind a pause',
      USUAL,
      ['take', 3],
      ['settle', 0, 2],
      ['wait', 60_000],
      ['take', 2],
      ['state'],
    ),
  ];
}

const LINEAGE = '0f0e0d0c0b0a09080706050403020100';
const PIN = 'sha256-2UPsi0vU4sRB22+46y7qWFYHm+ibGZidgIjextlX6w8=';
const OTHER_PIN = 'sha256-W8C2o1KxkUiGJi2nUaLBVfQn6Ocy2vL4fQ7m0q9w3eA=';
const EPOCH_MS = 1_790_000_000_000;
const SECOND = 1_000;
const HOUR = 3_600_000;

export function lineageCases(): LineageCase[] {
  const old = { pin: PIN, lineage: LINEAGE, storeEpochMs: EPOCH_MS };
  const zeros = '0'.repeat(32);
  const stores: [string, LineageCase['old'], Partial<LineageCase['new']>][] = [
    ['the same line', old, {}],
    ['another lineage', old, { lineage: 'ff'.repeat(16) }],
    ['a lineage with another last bit', old, { lineage: `${LINEAGE.slice(0, -1)}1` }],
    ['no lineage', old, { lineage: zeros }],
    ['no lineage in the old session', { ...old, lineage: zeros }, {}],
    ['no lineage in either', { ...old, lineage: zeros }, { lineage: zeros }],
    ['another pin', old, { pin: OTHER_PIN }],
    ['the same epoch', old, { storeEpochMs: EPOCH_MS }],
    ['one ms newer', old, { storeEpochMs: EPOCH_MS + 1 }],
    ['one ms older', old, { storeEpochMs: EPOCH_MS - 1 }],
    ['epoch 0', old, { storeEpochMs: 0 }],
    ['epoch 0 in the old session', { ...old, storeEpochMs: 0 }, {}],
    ['epoch 0 in both', { ...old, storeEpochMs: 0 }, { storeEpochMs: 0 }],
  ];
  const ages: [string, number, LineageCase['sinceFirstSentMs']][] = [
    ['older than the call', HOUR, { monotonic: SECOND, wall: SECOND }],
    ['as old as the call', SECOND, { monotonic: SECOND, wall: SECOND }],
    ['one ms older than the call', SECOND + 1, { monotonic: SECOND, wall: SECOND }],
    ['younger than the call', SECOND, { monotonic: 2 * SECOND, wall: 2 * SECOND }],
    ['age 0', 0, { monotonic: 0, wall: 0 }],
    ['younger than the call by the wall clock: the machine slept', HOUR / 2, { monotonic: SECOND, wall: HOUR }],
    [
      'younger than the call by the monotonic clock: the wall clock was set back',
      HOUR / 2,
      { monotonic: HOUR, wall: -HOUR },
    ],
  ];
  return stores.flatMap(([store, before, change]) =>
    ages.map(([age, storeAgeMs, sinceFirstSentMs]) => {
      const present = { pin: PIN, lineage: LINEAGE, storeEpochMs: EPOCH_MS + HOUR, storeAgeMs, ...change };
      const proof = provesLost(before, present, sinceFirstSentMs);
      return { name: `${store}, ${age}`, old: before, new: present, sinceFirstSentMs, provesLost: proof };
    }),
  );
}

export function sentTimeCases(): SentTimeCase[] {
  const passed: [string, SentTimeCase['passedMs']][] = [
    ['at once', { monotonic: 0, wall: 0 }],
    ['a second later', { monotonic: SECOND, wall: SECOND }],
    ['the machine slept for a minute', { monotonic: SECOND, wall: 61 * SECOND }],
    ['the wall clock was set forward', { monotonic: SECOND, wall: HOUR }],
    ['the wall clock was set back', { monotonic: SECOND, wall: -HOUR }],
    ['an hour later', { monotonic: HOUR, wall: HOUR }],
  ];
  return [EPOCH_MS, 0, 4_000_000_000_000].flatMap((relayTimeMs) =>
    passed.map(([name, passedMs]) => ({
      name: `relay time ${relayTimeMs}, ${name}`,
      relayTimeMs,
      passedMs,
      sentMs: sentMs(relayTimeMs, passedMs),
    })),
  );
}
