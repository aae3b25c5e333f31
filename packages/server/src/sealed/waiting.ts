// How an exchange waits: for the store or a hook, with reading from the client paused, and for its first chunk to open,
// until a deadline.
import type { IncomingMessage } from 'node:http';
import type { Awaitable } from '@mte-relay/protocol';
import type { RelayContext } from '../context.ts';
import { storeFailed } from '../failure/noted.ts';
import { OuterRefusal } from '../failure/planes.ts';
import type { Pending } from '../limits/deadlines.ts';
import type { Account } from '../observe/account.ts';
import type { StoreOperation } from '../observe/metrics.ts';
import { StoreFullError } from '../sessions/store.ts';

/** The waiting of one exchange. */
export class Waiting implements Pending {
  readonly #context: RelayContext;
  readonly #req: IncomingMessage;
  readonly #account: Account;
  readonly #goOn: (step: () => void) => void;
  #active = false;
  #unproven = false;

  /** @param goOn takes the exchange's next step and handles its errors; does nothing once the exchange is settled. */
  constructor(context: RelayContext, req: IncomingMessage, account: Account, goOn: (step: () => void) => void) {
    this.#context = context;
    this.#req = req;
    this.#account = account;
    this.#goOn = goOn;
  }

  /** True while a result of the store or a hook is outstanding. */
  get active(): boolean {
    return this.#active;
  }

  /** Continues with a result: at once if it is immediate, otherwise once it has settled, with reading paused. */
  whenReady<T>(result: Awaitable<T>, proceed: (value: T) => void, operation?: StoreOperation): void {
    if (!(result instanceof Promise)) {
      proceed(result);
      return;
    }
    this.#active = true;
    this.#req.pause();
    const beganMs = performance.now();
    result.then(
      (value) => {
        this.#active = false;
        if (operation) observeStore(this.#context, this.#account, operation, beganMs);
        this.#goOn(() => proceed(value));
      },
      (error: unknown) => {
        this.#active = false;
        const refusal = storeFailed(this.#context, this.#account, error);
        this.#goOn(() => {
          throw refusal;
        });
      },
    );
  }

  /** Resumes reading from the client, unless a result is outstanding. */
  resumeReading(): void {
    if (this.#req.isPaused() && !this.#active) this.#req.resume();
  }

  /** Sets a deadline for the first chunk: until it has opened, anybody may have sent the message. */
  awaitProof(): void {
    // Nearly every message arrives complete with its head; node:http emits its end next.
    if (this.#unproven || this.#req.complete) return;
    this.#unproven = true;
    this.#context.admission.unproven.add(this);
  }

  /** The first chunk has opened, or the exchange is over. */
  proven(): void {
    if (this.#unproven) this.#context.admission.unproven.delete(this);
  }

  /** Called by Deadlines at the deadline. */
  expire(): void {
    if (this.#req.socket.writableEnded) return; // the server has cut the connection off
    this.#goOn(() => {
      this.#context.metrics.limits.CLIENT_IDLE_TIMEOUT_MS.value += 1;
      throw new OuterRefusal('timeout');
    });
  }
}

/** Observes the time of a store operation that did not return at once. @param beganMs as `performance.now()`. */
function observeStore({ metrics }: RelayContext, account: Account, operation: StoreOperation, beganMs: number): void {
  const tookMs = performance.now() - beganMs;
  account.storeMs += tookMs;
  metrics.store[operation].observeMs(tookMs);
}

/**
 * A store's result, for a way that is asynchronous anyway.
 * @throws OuterRefusal if the store fails: nothing runs. @throws StoreFullError
 */
export async function stored<T>(
  context: RelayContext,
  account: Account,
  ask: () => Awaitable<T>,
  operation?: StoreOperation,
): Promise<T> {
  const beganMs = performance.now();
  try {
    const result = ask();
    if (!(result instanceof Promise)) return result;
    const value = await result;
    if (operation) observeStore(context, account, operation, beganMs);
    return value;
  } catch (error) {
    throw error instanceof StoreFullError ? error : storeFailed(context, account, error);
  }
}
