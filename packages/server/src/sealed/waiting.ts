// How an exchange waits: for the store or a hook, while nothing is read from the client, and for its first chunk to open,
// within its time.
import type { IncomingMessage } from 'node:http';
import type { Awaitable } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { storeFailed } from '../failure/noted.ts';
import { OuterRefusal } from '../failure/planes.ts';
import type { Pending } from '../limits/deadlines.ts';
import type { Account } from '../observe/account.ts';
import type { StoreOperation } from '../observe/metrics.ts';

/** The exchange that waits. */
export interface WaitingHost {
  /** True once it is answered or refused: then nothing is gone on with. */
  readonly settled: boolean;
  /** Takes what was waited for and goes on as far as possible; what it throws is the host's to answer. */
  goOn(step: () => void): void;
  fail(error: unknown): void;
}

/** The waiting of one exchange. */
export class Waiting implements Pending {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #account: Account;
  readonly #host: WaitingHost;
  #active = false;
  #unproven = false;

  constructor(context: RelayContext, req: IncomingMessage, account: Account, host: WaitingHost) {
    this.#context = context;
    this.#req = req;
    this.#account = account;
    this.#host = host;
  }

  /** True while an answer of the store or a hook is outstanding. */
  get active(): boolean {
    return this.#active;
  }

  /** Continues with an answer: at once when it is there, else with reading paused until it is. */
  whenReady<T>(answer: Awaitable<T>, proceed: (value: T) => void, operation?: StoreOperation): void {
    if (!(answer instanceof Promise)) {
      proceed(answer);
      return;
    }
    this.#active = true;
    this.#req.pause();
    const askedMs = performance.now();
    answer.then(
      (value) => {
        this.#active = false;
        if (operation) {
          const tookMs = performance.now() - askedMs;
          this.#account.storeMs += tookMs;
          this.#context.metrics.store[operation].observeMs(tookMs);
        }
        if (!this.#host.settled) this.#host.goOn(() => proceed(value));
      },
      (error: unknown) => {
        this.#active = false;
        this.#host.fail(storeFailed(this.#context, this.#account.names(), error));
      },
    );
  }

  /** Reads on from the client, unless something else is waited for. */
  resumeReading(): void {
    if (this.#req.isPaused() && !this.#active) this.#req.resume();
  }

  /** Until its first chunk has opened, a message is anybody's: it has a deadline. */
  awaitProof(): void {
    // Nearly every message is here whole with its head, and its end is told in a moment.
    if (this.#unproven || this.#req.complete) return;
    this.#unproven = true;
    this.#context.admission.unproven.add(this);
  }

  /** The first chunk has opened, or the exchange is over. */
  proven(): void {
    if (this.#unproven) this.#context.admission.unproven.delete(this);
  }

  /** By the deadlines, when the time is over. */
  expire(): void {
    this.#context.metrics.limits.CLIENT_IDLE_TIMEOUT_MS.value += 1;
    this.#host.fail(new OuterRefusal('timeout'));
  }
}
