// The limits on clients, and clients that disconnect.
import { expect } from 'vitest';
import type { Way } from '../support/four-ways.ts';
import { fourWaysStage, type Noted } from '../support/four-ways-stage.ts';
import { withinTurns } from '../support/turns.ts';
import { ask, beyondTheLimit, once, onEveryRoute, onEveryWay, REQUEST_ID, type Row } from './row.ts';

/** A client that disconnected while the upstream was silent. */
const clientGone: (way: Way) => Promise<{ noted: Noted; calls: number; upstreamLeft: boolean }> = once(async (way) => {
  const staged = await fourWaysStage(way, { upstream: { instead: 'silence' } });
  const leave = await staged.hold();
  leave();
  const upstreamLeft = await withinTurns(() => staged.arrived[0]?.left);
  return { noted: await staged.noted(), calls: staged.arrived.length, upstreamLeft };
});

export const LIMIT_ROWS: readonly Row[] = [
  onEveryRoute('a request beyond the limit: the client gets unavailable and the time to retry', async (route) => {
    const { seen } = await beyondTheLimit(route);
    expect(seen.outer.status).toBe(503);
    expect(seen.failure).toEqual({ plane: 'outer', code: 'unavailable' });
    expect(Number(seen.outer.headers['retry-after'])).toBeGreaterThan(0);
  }),

  onEveryRoute('a request beyond the limit: it counts by the limit and as a failure', async (route) => {
    const { noted } = await beyondTheLimit(route);
    expect(noted.counted('limited_total')).toEqual({ [`limit="${route.limit}"`]: 1 });
    expect(noted.counted('failures_total')).toEqual({ 'plane="outer",code="unavailable"': 1 });
  }),

  onEveryRoute('a request beyond the limit: it counts as refused', async (route) => {
    const { noted } = await beyondTheLimit(route);
    expect(noted.counted(route.outcomes.family)).toEqual({ [route.outcomes.refused]: 1 });
  }),

  onEveryRoute('a request beyond the limit: one account has its code', async (route) => {
    const { noted, seen } = await beyondTheLimit(route);
    const account = { level: 30, request: REQUEST_ID, route: route.route, status: seen.status, outer: 503 };
    expect(noted.lines).toEqual([expect.objectContaining({ ...account, code: 'unavailable', complete: true })]);
  }),

  onEveryWay('a head beyond the limit is refused and counted, and the upstream sees nothing', async (way) => {
    const { code, setting, status } = way.headLimit;
    const tooLong = { fields: [['x-long', 'a'.repeat(2000)]] } as const;
    const { noted, seen, staged } = await ask(way, { environment: { [setting]: '1024' } }, tooLong);
    expect(seen).toMatchObject({ status, failure: { plane: way.plane, code } });
    expect(staged.arrived).toEqual([]);
    expect(noted.counted('failures_total')).toEqual({ [`plane="${way.plane}",code="${code}"`]: 1 });
  }),

  onEveryWay('a client disconnects before the response: the upstream’s connection ends', async (way) => {
    expect((await clientGone(way)).upstreamLeft).toBe(true);
  }),

  onEveryWay('a client disconnects before the response: the relay no longer counts it as in progress', async (way) => {
    expect((await clientGone(way)).noted.inProgress).toBe(0);
  }),

  onEveryWay('a client disconnects before the response: the account is not complete', async (way) => {
    const { noted } = await clientGone(way);
    expect(noted.accounts).toEqual([expect.objectContaining({ route: way.route, complete: false })]);
  }),

  onEveryWay('a client disconnects before the response: it counts as aborted, and not as a failure', async (way) => {
    const { noted } = await clientGone(way);
    expect(noted.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="aborted"`]: 1 });
    expect(noted.counted('failures_total')).toEqual({});
  }),

  onEveryWay('a client disconnects before the response: the relay neither warns nor retries', async (way) => {
    const { calls, noted } = await clientGone(way);
    expect(noted.lines.filter(({ level }) => level !== 30)).toEqual([]);
    expect(calls).toBe(1);
  }),
];
