// An upstream that is down, closes early, times out, or refuses: what the client sees, what is logged, what is
// counted.
import { expect } from 'vitest';
import type { Way } from '../support/four-ways.ts';
import type { FourWaysOptions } from '../support/four-ways-stage.ts';
import { ask, type Outcome, once, onEveryWay, REQUEST_ID, type Row, refused, WITH_ID, whileDown } from './row.ts';

interface UpstreamFailure {
  readonly code: string;
  readonly status: number;
  readonly drive: (way: Way) => Promise<Outcome>;
}

const driving = (options: FourWaysOptions): UpstreamFailure['drive'] => once((way) => ask(way, options, WITH_ID));

const FAILURES: Readonly<Record<string, UpstreamFailure>> = {
  'is down': { code: 'upstream-unreachable', status: 502, drive: whileDown },
  'breaks off': { code: 'upstream-failed', status: 502, drive: driving({ upstream: { instead: 'reset' } }) },
  'does not respond in time': {
    code: 'upstream-timeout',
    status: 504,
    drive: driving({ upstream: { instead: 'silence' }, environment: { UPSTREAM_HEADERS_TIMEOUT_MS: '100' } }),
  },
};
const brokenOffInside = driving({ upstream: { resetsInside: true } });

export const UPSTREAM_FAILURE_ROWS: readonly Row[] = [
  ...Object.entries(FAILURES).flatMap(([happening, failure]) => failureRows(`an upstream ${happening}`, failure)),

  onEveryWay('an upstream cuts off its response: the client sees it as incomplete', async (way) => {
    const { seen } = await brokenOffInside(way);
    expect(seen.complete).toBe(false);
  }),

  onEveryWay('an upstream cuts off its response: one warning has the code', async (way) => {
    const { noted } = await brokenOffInside(way);
    const warned = noted.lines.filter(({ level }) => level === 40);
    expect(warned).toEqual([expect.objectContaining({ code: 'upstream-failed', msg: 'upstream failed' })]);
  }),

  onEveryWay('an upstream cuts off its response: the account has the code and is not complete', async (way) => {
    const { noted } = await brokenOffInside(way);
    expect(noted.accounts).toEqual([expect.objectContaining({ code: 'upstream-failed', complete: false })]);
  }),

  onEveryWay('an upstream cuts off its response: it counts as one failure, and its status stays', async (way) => {
    const { noted } = await brokenOffInside(way);
    expect(noted.counted('failures_total')).toEqual({ [`plane="${way.plane}",code="upstream-failed"`]: 1 });
    expect(noted.accounts).toEqual([expect.objectContaining({ status: way.accepted })]);
  }),

  onEveryWay('an upstream cuts off its response: it counts as aborted', async (way) => {
    const { noted } = await brokenOffInside(way);
    expect(noted.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="aborted"`]: 1 });
  }),

  onEveryWay(
    'an upstream responds with 300 fields: a sealed way fails with a warning, the others pass them',
    async (way) => {
      const fields = Array.from({ length: 300 }, (_, at) => [`x-field-${at}`, '1'] as const);
      const { noted, seen } = await ask(way, { upstream: { fields } }, WITH_ID);
      const warned = noted.lines.filter(({ level }) => level === 40);
      const warning = expect.objectContaining({ code: 'upstream-failed', msg: 'upstream failed' });
      expect([seen.status, warned]).toEqual(way.sealed ? [502, [warning]] : [way.accepted, []]);
    },
  ),

  onEveryWay('an upstream refuses: the client sees its status, fields and body', async (way) => {
    const { seen } = await refused(way);
    expect(seen).toMatchObject({ status: 403, text: 'the refusal', failure: undefined, complete: true });
    expect(seen.fields).toContainEqual(['x-reason', 'no token']);
  }),

  onEveryWay('an upstream refuses: the account alone is logged, with its status and no code', async (way) => {
    const { noted, seen } = await refused(way);
    const [line, ...others] = noted.lines;
    expect(others).toEqual([]);
    expect(line).toMatchObject({ level: 30, route: way.route, status: 403, outer: way.outerOf(seen), complete: true });
    expect(line).not.toHaveProperty('code');
  }),

  onEveryWay('an upstream refuses: it counts as one 4xx and no failure', async (way) => {
    const { noted } = await refused(way);
    expect(noted.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="4xx"`]: 1 });
    expect(noted.counted('failures_total')).toEqual({});
  }),
];

function failureRows(happening: string, { code, drive, status }: UpstreamFailure): Row[] {
  return [
    onEveryWay(`${happening}: the client sees ${code}`, async (way) => {
      const { seen } = await drive(way);
      expect(seen).toMatchObject({ status, failure: { plane: way.plane, code }, complete: true });
      expect(JSON.parse(seen.text)).toMatchObject({ status, code });
    }),

    onEveryWay(`${happening}: one warning names the request, the code and the fault`, async (way) => {
      const { noted, staged } = await drive(way);
      expect(noted.lines.filter(({ route }) => route === undefined)).toEqual([
        {
          level: 40,
          time: expect.any(Number),
          request: REQUEST_ID,
          ...(way.sealed && { session: staged.session, client: expect.any(String) }),
          code,
          fault: expect.objectContaining({ name: expect.any(String) }),
          msg: 'upstream failed',
        },
      ]);
    }),

    onEveryWay(`${happening}: the account has the status, the code and the time`, async (way) => {
      const { noted, seen } = await drive(way);
      const account = { status, outer: way.outerOf(seen), code, complete: true, ms: expect.any(Number) };
      expect(noted.accounts).toEqual([expect.objectContaining(account)]);
    }),

    onEveryWay(`${happening}: it counts as one 5xx and one failure`, async (way) => {
      const { noted } = await drive(way);
      expect(noted.counted('requests_total')).toEqual({ [`route="${way.route}",outcome="5xx"`]: 1 });
      expect(noted.counted('failures_total')).toEqual({ [`plane="${way.plane}",code="${code}"`]: 1 });
    }),
  ];
}
