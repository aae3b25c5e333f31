// SPEC §7, the client's side as a state machine: one call against an intermediary that decides what the client gets of
// each outer message. Written to be read beside "When a client may resend a request by itself".

/** What the client gets of an exchange. `delivered`: the relay has it all the same, and runs it if it is fresh. */
export interface ExchangeOutcome {
  gets:
    | 'the response'
    /** The relay's sealed `request-stale`: delivered, and too old. */
    | 'stale'
    /** A connection that ended. */
    | 'nothing'
    /** A connection that this machine knows was not made. */
    | 'no connection'
    /** A response of the right status and content type that does not open. */
    | 'garbage'
    /** A response of status 200 and another content type. */
    | 'html'
    /** An outer refusal, forged or not: its status. */
    | number;
  delivered?: boolean;
}

/** What the client gets of a cancel. `delivered`: the relay has it all the same, and claims the number in it. */
export interface CancelOutcome {
  gets: 'the result' | 'nothing' | 'garbage' | number;
  delivered?: boolean;
  /** The relay has lost its sessions before this message, which is a 401 in place of the result. */
  lost?: boolean;
}

/** What the client gets of a pairing: `new`, over the parameters of the first one, or no session. */
export interface PairingOutcome {
  gets: 'a session' | 'nothing' | number;
  parameters?: StoreFacts;
}

/** What the parameters say of the store, against those of the first pairing. */
export interface StoreFacts {
  lineage?: 'the same' | 'another' | 'zeros';
  epoch?: 'newer' | 'the same' | 'older' | 'zero';
  /** The store's age, against the time since the request was first sent. */
  age?: 'longer' | 'zero';
  pin?: 'the same' | 'another pinned one';
}

export type Outcome = ExchangeOutcome | CancelOutcome | PairingOutcome;

/** `none`: no body. `whole`: one chunk. `pieces`: more than one, which the client can send again. `stream`: it cannot. */
export type BodyKind = 'none' | 'whole' | 'pieces' | 'stream';

export interface Call {
  method: string;
  body: BodyKind;
  /** Of the session that the call begins in. */
  lineage: 'some' | 'zeros';
  /** The caller gives the call up when this outer message, from 0, has been sent, and before its outcome. */
  abortAt?: number;
}

/** How the call ends: the status of a sealed response, or an error. */
export type End = { status: number } | { error: 'aborted' } | { error: string; mayHaveRun: boolean };

export interface Played {
  /** Outer messages in order. Numbers are of the session that is named before the dot; sessions count from 0. */
  sends: string[];
  end: End;
  /** What is sent behind the end of the call. */
  afterwards: string[];
  /** How often the relay ran the request before and behind the end, if it gets every held message then. */
  runs: number;
}

/** A client chooses its own bounds (§7); these are of this project's clients, and of the cases. */
export const BOUNDS = {
  resends: 2,
  pairings: 1,
  /** Cancels of one message, when the first has no sealed result. */
  cancels: 2,
  /** Refusals that may pass. Any other one ends the call, whatever is proven. */
  passing: [401, 408, 409, 425, 429, 500, 502, 503, 504],
};

const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
const IDEMPOTENT = [...SAFE, 'PUT', 'DELETE'];

/** Nothing: it may have run, and may run later. */
type Proof = 'never ran' | 'claimed' | 'nothing';

class Ended extends Error {
  readonly end: End;
  constructor(end: End) {
    super('ended');
    this.end = end;
  }
}

/** Plays a call. When the way has no outcome left, everything arrives. */
export function playCall(call: Call, way: readonly Outcome[]): Played {
  const client = new Client(call, way);
  const end = client.run();
  return { sends: client.sends, end, afterwards: client.afterwards(), runs: client.runs };
}

function arrival(message: string): Outcome {
  if (message === 'pair') return { gets: 'a session' };
  return message.startsWith('cancel') ? { gets: 'the result' } : { gets: 'the response' };
}

class Client {
  readonly sends: string[] = [];
  runs = 0;
  readonly #call: Call;
  readonly #way: readonly Outcome[];
  #session = 0;
  #next = 0;
  #vouches: boolean;
  /** Numbers that the relay has claimed in the present session, or undefined: it has lost the session. */
  #claimed: Set<number> | undefined = new Set();
  /** The exchange that may still run. */
  #open: { session: number; n: number } | undefined;
  #openNext = 0;
  #mayHaveRun = false;
  #resends = 0;
  #pairings = 0;
  /** The last session that this call has replaced. */
  #replaced: number | undefined;

  constructor(call: Call, way: readonly Outcome[]) {
    this.#call = call;
    this.#way = way;
    this.#vouches = call.lineage === 'some';
  }

  run(): End {
    try {
      for (;;) {
        const end = this.#attempt();
        if (end) return end;
      }
    } catch (ended) {
      if (ended instanceof Ended) return ended.end;
      throw ended;
    }
  }

  /** The cancel in the background, in the session of the message that it is of. */
  afterwards(): string[] {
    if (!this.#open || this.#isSafe) return [];
    const { session, n } = this.#open;
    const own = session === this.#session ? this.#next : this.#openNext;
    return [`cancel ${session}.${own} of ${n}`];
  }

  get #isSafe(): boolean {
    return SAFE.includes(this.#call.method);
  }

  #send(message: string): Outcome {
    const at = this.sends.push(message) - 1;
    if (at === this.#call.abortAt) throw new Ended({ error: 'aborted' });
    return this.#way[at] ?? arrival(message);
  }

  #attempt(): End | undefined {
    const n = this.#next++;
    const session = this.#session;
    this.#open = { session, n };
    const outcome = this.#send(`exchange ${session}.${n}`) as ExchangeOutcome;
    const arrives = outcome.gets === 'the response' || outcome.gets === 'stale' || outcome.delivered === true;
    if (arrives && this.#claimed && !this.#claimed.has(n)) {
      this.#claimed.add(n);
      if (outcome.gets !== 'stale') this.runs += 1;
    }
    if (outcome.gets === 'the response') {
      this.#open = undefined;
      return { status: 200 };
    }
    if (outcome.gets === 'stale') return this.#afterStale();
    const proof = this.#prove(outcome, n);
    if (proof !== 'nothing') this.#open = undefined;
    if (proof !== 'never ran') this.#mayHaveRun = true;
    if (!this.#mayResend(proof)) throw this.#mayHaveRunEnd();
    const passes = typeof outcome.gets !== 'number' || BOUNDS.passing.includes(outcome.gets);
    if (!passes || !this.#canResend) throw this.#failed(outcome);
    this.#resends += 1;
    if (outcome.gets === 401 && this.#replaced !== session) this.#pair((pairing) => this.#failed(pairing ?? outcome));
    return undefined;
  }

  /** e): it did not run, which zeros weaken to "already claimed". */
  #afterStale(): End | undefined {
    this.#open = undefined;
    if (!this.#vouches && !this.#isSafe) this.#mayHaveRun = true;
    if (!this.#vouches && !this.#mayResend('claimed')) throw this.#mayHaveRunEnd();
    if (!this.#canResend) {
      if (this.#mayHaveRun && !this.#isSafe) throw this.#mayHaveRunEnd(); // the refusal speaks of the last message (§8.2)
      return { status: 408 };
    }
    this.#resends += 1;
    return undefined;
  }

  /** b), c) and d). */
  #prove(outcome: ExchangeOutcome, n: number): Proof {
    if (outcome.gets === 'no connection') return 'never ran';
    if (this.#isSafe) return 'nothing';
    for (let tries = 1; ; tries += 1) {
      const own = this.#next++;
      const cancel = this.#send(`cancel ${this.#session}.${own} of ${n}`) as CancelOutcome;
      if (cancel.lost) this.#claimed = undefined;
      const gets = cancel.gets === 'the result' && !this.#claimed ? 401 : cancel.gets;
      const isFresh = this.#claimed?.has(n) === false;
      if (gets === 'the result' || cancel.delivered) this.#claimed?.add(n);
      if (gets === 'the result') return isFresh && this.#vouches ? 'never ran' : 'claimed';
      if (gets === 401) return this.#storeIsNewer() ? 'never ran' : 'nothing';
      if (tries === BOUNDS.cancels) throw this.#mayHaveRunEnd();
    }
  }

  /** d), the store epoch rule. */
  #storeIsNewer(): boolean {
    const vouched = this.#vouches;
    const facts = this.#pair(() => this.#mayHaveRunEnd());
    const { lineage = 'the same', epoch = 'newer', age = 'longer', pin = 'the same' } = facts;
    return vouched && lineage === 'the same' && epoch === 'newer' && age === 'longer' && pin === 'the same';
  }

  #mayResend(proof: Proof): boolean {
    if (this.#isSafe || proof === 'never ran') return true;
    const isWhole = this.#call.body === 'none' || this.#call.body === 'whole';
    return proof === 'claimed' && IDEMPOTENT.includes(this.#call.method) && isWhole;
  }

  get #canResend(): boolean {
    return this.#call.body !== 'stream' && this.#resends < BOUNDS.resends;
  }

  /** A session in place of the present one. @param failed the end when there may be, or is, none. */
  #pair(failed: (outcome?: PairingOutcome) => Ended): StoreFacts {
    if (this.#pairings === BOUNDS.pairings) throw failed();
    this.#pairings += 1;
    const outcome = this.#send('pair') as PairingOutcome;
    if (outcome.gets !== 'a session') throw failed(outcome);
    const { parameters = {} } = outcome;
    this.#replaced = this.#session;
    this.#openNext = this.#next;
    this.#session += 1;
    this.#next = 0;
    this.#claimed = new Set();
    const { lineage = 'the same' } = parameters;
    this.#vouches = lineage === 'another' || (lineage === 'the same' && this.#vouches);
    return parameters;
  }

  #mayHaveRunEnd(): Ended {
    return new Ended({ error: 'may-have-run', mayHaveRun: true });
  }

  #failed({ gets }: Outcome): Ended {
    const unread = gets === 'garbage' || gets === 'html' ? 'response-unopenable' : 'unreachable';
    return new Ended({ error: typeof gets === 'number' ? 'relay-refused' : unread, mayHaveRun: this.#mayHaveRun });
  }
}
