// One clock for all processes of a campaign: what happened first at two hops can be told by it.

/** The machine's monotonic clock, ms; every process of this machine reads the same. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
