// Content that comes in its own time.

/** Pieces, each flushed, with nothing behind them until `hold` resolves. */
export async function* inPieces(pieces: readonly Uint8Array[], hold?: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* pieces;
  await hold;
}

/** A promise that stays open. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
