// What a client was told about one call, and the job of a client process: the messages between the processes.

/**
 * How a call ended for the app. `success`: with the response that belongs to it. `may-have-run`, `never-ran`: an error, or
 * a failure of the relay inside the seal, that says so. `aborted`: the app gave it up. `wrong`: a response of another call,
 * or an error of an unknown kind. `hung`: not at all.
 */
export type Told = 'success' | 'may-have-run' | 'never-ran' | 'aborted' | 'wrong' | 'hung';

export interface OutcomeEvent {
  readonly atMs: number;
  readonly what: string;
}

/** One call as its client saw it; times by the clock of all processes. */
export interface Outcome {
  readonly id: string;
  readonly client: number;
  readonly method: string;
  readonly told: Told;
  readonly detail: string;
  readonly beganAtMs: number;
  readonly settledAtMs: number;
  /** How often the client sent it again. */
  readonly resends: number;
  readonly events: readonly OutcomeEvent[];
}

/** The work of one client process. */
export interface ClientJob {
  readonly seed: string;
  readonly pin: string;
  /** One client of the SDK for each: its number, and the address that leads to the relays. */
  readonly clients: readonly { readonly number: number; readonly url: string }[];
  /** Calls at once of each client. */
  readonly concurrency: number;
  /** A call that has not settled after this long has hung. */
  readonly hungAfterMs: number;
}

export type ToClient = { readonly job: ClientJob } | { readonly finish: true };
export type FromClient = { readonly outcomes: readonly Outcome[] } | { readonly finished: true };
