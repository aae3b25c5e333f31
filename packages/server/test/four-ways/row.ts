// One row of the table: a behaviour, and the routes that it holds for.
import type { Route, Way } from '../support/four-ways.ts';
import type { Asked, Seen } from '../support/four-ways-callers.ts';
import { type FourWaysOptions, type FourWaysStage, fourWaysStage, type Noted } from '../support/four-ways-stage.ts';
import type { Behaviour } from '../support/four-ways-upstream.ts';

/** A behaviour of the four ways, or of pairing too. */
export type Row =
  | { readonly of: 'ways'; readonly name: string; run(way: Way): Promise<void> }
  | { readonly of: 'routes'; readonly name: string; run(route: Route): Promise<void> };

/** A behaviour of the four ways. */
export function onEveryWay(name: string, run: (way: Way) => Promise<void>): Row {
  return { of: 'ways', name, run };
}

/** A behaviour of the four ways and of pairing. */
export function onEveryRoute(name: string, run: (route: Route) => Promise<void>): Row {
  return { of: 'routes', name, run };
}

/** One request: the response, the upstream's view, the log and the metrics. */
export interface Outcome {
  readonly staged: FourWaysStage;
  readonly seen: Seen;
  readonly noted: Noted;
}

/** Asks once, on a relay of its own. */
export async function ask(route: Route, options: FourWaysOptions = {}, asked: Partial<Asked> = {}): Promise<Outcome> {
  const staged = await fourWaysStage(route, options);
  return { staged, seen: await staged.request(asked), noted: await staged.noted() };
}

/** Drives each route once, for several rows. */
export function once<R extends Route, T>(drive: (route: R) => Promise<T>): (route: R) => Promise<T> {
  const driven = new Map<R, Promise<T>>();
  return (route) => {
    const outcome = driven.get(route) ?? drive(route);
    driven.set(route, outcome);
    return outcome;
  };
}

export const REQUEST_ID = 'of-the-ingress-1';
/** Names the request, as a proxy in front does. */
export const WITH_ID: Partial<Asked> = { outer: { 'x-request-id': REQUEST_ID } };
/** Of the operator. */
export const OWN = { HEADERS: '{"x-edge":"own"}' };
/** An upstream that does not accept connections. */
export const IS_DOWN: FourWaysOptions = { environment: { ...OWN, UPSTREAM: 'http://127.0.0.1:1' } };
/** An upstream that refuses requests. */
export const REFUSES: Behaviour = { refuses: 403, fields: [['x-reason', 'no token']], body: 'the refusal' };

/** A request with its id, and what came of it. */
export const plain: (route: Route) => Promise<Outcome> = once((route) => ask(route, { environment: OWN }, WITH_ID));

/** A request with its id while the upstream is down. */
export const whileDown: (way: Way) => Promise<Outcome> = once((way) => ask(way, IS_DOWN, WITH_ID));

/** A request with its id that the upstream refuses. */
export const refused: (way: Way) => Promise<Outcome> = once((way) => ask(way, { upstream: REFUSES }, WITH_ID));

/** A request with its id while the only place is taken. */
export const beyondTheLimit: (route: Route) => Promise<Outcome> = once(async (route) => {
  const environment = { ...OWN, [route.limit]: '1' };
  const staged = await fourWaysStage(route, { upstream: { instead: 'silence' }, environment });
  await staged.hold();
  return { staged, seen: await staged.request(WITH_ID), noted: await staged.noted() };
});

/** Every value of a field of the response as the application sees it. */
export function valuesOf({ fields }: Seen, wanted: string): string[] {
  return fields.filter(([name]) => name === wanted).map(([, value]) => value);
}
