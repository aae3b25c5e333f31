// Plays client-sessions.json with the client's own sessions, under clocks that the caller sets.
import { nodeSuite } from '@mte-relay/protocol/node';
import { Session } from '../../packages/client/src/session/session.ts';
import type { LineageCase, SentTimeCase, SessionCase } from '../format.ts';
import { unhex } from '../run/case.ts';
import type { SessionEvent } from '../twin/session.ts';

/** Moves the clocks of this machine. */
export interface Clocks {
  advance(by: { monotonic: number; wall: number }): void;
}

const STATES = { fresh: 'use', due: 'replace soon', over: 'over' } as const;

export async function playSession({ parameters, events }: SessionCase, clocks: Clocks): Promise<SessionEvent[]> {
  const session = await sessionWith(parameters);
  return events.map((event) => seen(session, event, clocks));
}

function seen(session: Session, event: SessionEvent, clocks: Clocks): SessionEvent {
  if (event.do === 'room') return { do: 'room', has: session.hasRoom };
  if (event.do === 'state') return { do: 'state', is: STATES[session.state] };
  if (event.do === 'take') {
    const [first = Number.NaN, ...others] = Array.from({ length: event.count }, () => session.take());
    return { ...event, first: others.every((n, i) => n === first + 1 + i) ? first : Number.NaN };
  }
  if (event.do === 'wait') clocks.advance({ monotonic: event.ms, wall: event.ms });
  else for (let n = event.from; n <= event.to; n += 1) session.settle(n, true);
  return event;
}

export async function provesLost(one: LineageCase, clocks: Clocks): Promise<boolean> {
  const old = await sessionWith({ ...one.old, lineage: unhex(one.old.lineage) }, one.old.pin);
  const firstSentAt = { monotonicMs: performance.now(), wallMs: Date.now() };
  clocks.advance(one.sinceFirstSentMs);
  const present = await sessionWith({ ...one.new, lineage: unhex(one.new.lineage) }, one.new.pin);
  return present.provesLost(old, firstSentAt);
}

export async function sentMsOf({ relayTimeMs, passedMs }: SentTimeCase, clocks: Clocks): Promise<number[]> {
  const paired = await sessionWith({ relayTimeMs });
  const corrected = await sessionWith({ relayTimeMs: 12_345 });
  corrected.relayTimeMs = relayTimeMs;
  clocks.advance(passedMs);
  return [paired, corrected].map((session) => Number(session.sentField[1]));
}

type Parameters = Session['parameters'];

function sessionWith(parameters: Partial<Parameters>, pin = 'sha256-'): Promise<Session> {
  const secret = (): Uint8Array<ArrayBuffer> => new Uint8Array(32);
  const secrets = { request: secret(), response: secret(), exporter: secret() };
  return Session.create(nodeSuite(), { ...USUAL, ...parameters }, secrets, pin);
}

const USUAL: Parameters = {
  sid: new Uint8Array(16),
  lifetimeMs: 3_600_000,
  idleMs: 900_000,
  messageLimit: 2 ** 20,
  window: 1024,
  requestBodyMaxBytes: 1_000_000,
  storeEpochMs: 0,
  storeAgeMs: 0,
  lineage: new Uint8Array(16),
  relayTimeMs: 0,
  messageAgeMaxMs: 120_000,
  padToBytes: 0,
  clientId: new Uint8Array(0),
  cookiesFromScript: [],
};
