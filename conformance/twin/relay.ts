// SPEC §6 and §7, the relay's side as a state machine: which messages run, which are refused, what a cancel results in.
// Bytes and tags are elsewhere: a message here is its type, its number and the time that it states.
import { Window } from './replay-window.ts';

export const LIFETIME_MS = 3_600_000;
export const IDLE_MS = 900_000;
const UNCONFIRMED_MS = 30_000;
export const MESSAGE_LIMIT = 2 ** 20;
export const AGE_MAX_MS = 120_000;

/** What an exchange states as the time at which it was sealed. */
export type Sent =
  /** Relative to the relay's time when the step begins, ms. */
  | { offsetMs: number }
  /** The field's value as it is. */
  | { value: string }
  /** No field. */
  | 'missing';

export type Step =
  | { do: 'exchange'; n: number; sent: Sent }
  /** A message whose tag does not verify. */
  | { do: 'forged'; n: number }
  | { do: 'cancel'; n: number; target: number }
  /** A cancel whose tag verifies, of seven bytes. */
  | { do: 'broken cancel'; n: number }
  /** The bytes of the message of that earlier step, from 0, again. */
  | { do: 'repeat'; step: number }
  | { do: 'wait'; ms: number };

/** `runs` and the inner failures are sealed; the others but those of a cancel are outer refusals. */
export type StepResult =
  | 'runs'
  | 'request-malformed'
  | 'request-stale'
  | 'cancelled'
  | 'already claimed'
  | 'session-unknown'
  | 'replayed'
  | 'unopenable'
  | 'malformed';

/** A session at a relay. Time is virtual. */
class RelaySession {
  readonly #window = new Window();
  #nowMs = 0;
  #lastMessageMs = 0;
  #opened = false;
  #ended = false;
  readonly #hasLifetimes: boolean;

  /** @param hasLifetimes false: the session never ends. */
  constructor(hasLifetimes = true) {
    this.#hasLifetimes = hasLifetimes;
  }

  /** §6, in its order. */
  exchange(n: number, sent: Sent): StepResult {
    if (n >= MESSAGE_LIMIT || !this.#exists || this.#ended) return 'session-unknown';
    if (!this.#claimsOwn(n)) return 'replayed';
    if (sent === 'missing') return 'request-malformed';
    if ('value' in sent && !/^[0-9]{1,15}$/.test(sent.value)) return 'request-malformed';
    // A value that is given as it is stands for a time that is far from any relay's.
    if ('value' in sent || Math.abs(sent.offsetMs) > AGE_MAX_MS) return 'request-stale';
    return 'runs';
  }

  /** §6: nothing is claimed before the tag has verified. */
  forged(n: number): StepResult {
    return n >= MESSAGE_LIMIT || !this.#exists || this.#ended ? 'session-unknown' : 'unopenable';
  }

  /** §7: also in a session that has ended by idleness. */
  cancel(n: number, target: number): StepResult {
    if (n >= MESSAGE_LIMIT || !this.#exists) return 'session-unknown';
    if (!this.#claimsOwn(n)) return 'replayed';
    return this.#window.claim(target) === 'fresh' ? 'cancelled' : 'already claimed';
  }

  /** Its own number is claimed before its plaintext is read. */
  brokenCancel(n: number): StepResult {
    if (n >= MESSAGE_LIMIT || !this.#exists) return 'session-unknown';
    return this.#claimsOwn(n) ? 'malformed' : 'replayed';
  }

  wait(ms: number): void {
    this.#nowMs += ms;
    if (this.#hasLifetimes && this.#nowMs - this.#lastMessageMs > IDLE_MS) this.#ended = true;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get #exists(): boolean {
    return !this.#hasLifetimes || this.#nowMs <= (this.#opened ? LIFETIME_MS : UNCONFIRMED_MS);
  }

  #claimsOwn(n: number): boolean {
    this.#opened = true;
    if (this.#window.claim(n) !== 'fresh') return false;
    this.#lastMessageMs = this.#nowMs;
    return true;
  }
}

/** The results of a script, one for each step; undefined for a wait. */
export function play(steps: readonly Step[], hasLifetimes = true): (StepResult | undefined)[] {
  const session = new RelaySession(hasLifetimes);
  const begunMs: number[] = [];
  return steps.map((step) => {
    begunMs.push(session.nowMs);
    return stepIn(session, steps, step, begunMs);
  });
}

function stepIn(
  session: RelaySession,
  steps: readonly Step[],
  step: Step,
  begunMs: readonly number[],
): StepResult | undefined {
  if (step.do === 'exchange') return session.exchange(step.n, step.sent);
  if (step.do === 'forged') return session.forged(step.n);
  if (step.do === 'cancel') return session.cancel(step.n, step.target);
  if (step.do === 'broken cancel') return session.brokenCancel(step.n);
  if (step.do === 'wait') return void session.wait(step.ms);
  const first = steps[step.step] as Step;
  if (first.do !== 'exchange') return stepIn(session, steps, first, begunMs);
  const passedMs = session.nowMs - (begunMs[step.step] as number);
  const sent =
    typeof first.sent === 'object' && 'offsetMs' in first.sent
      ? { offsetMs: first.sent.offsetMs - passedMs }
      : first.sent;
  return session.exchange(first.n, sent);
}
