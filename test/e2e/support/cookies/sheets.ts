// Puts cases of the cookie table that need one page and nothing else one after the other into the same page, since loading
// pages and pairing takes most of the time. Behind each case the API deletes its cookies, and the page has to be empty.
import { type Call, type CookieCase, type Observation, read, type Step } from './case.ts';

/** A failure in one case may reach the cases behind it in its page. */
const CASES_PER_PAGE = 12;

/** Deletes the cookies of a case, and reads where cases leave some. */
function wiping({ steps }: CookieCase): Step[] {
  const setting = steps.flatMap((step) => ('calls' in step ? step.calls : [])).flatMap(withRedirects);
  const deleting = setting.map(({ path, set = [] }) => ({ path, set: set.map((line) => `${line}; Max-Age=0`) }));
  return [
    { calls: deleting.filter(({ set }) => set.length > 0) },
    ...steps.flatMap((step) => ('script' in step ? { script: `${step.script.split('=', 1)[0]}=; Max-Age=0` } : [])),
    read('/', '/foo/bar/x'),
  ];
}

function withRedirects(call: Call): Call[] {
  return call.next ? [call, ...withRedirects(call.next)] : [call];
}

/** Cases that run in one page. */
export interface Sheet {
  readonly cases: readonly CookieCase[];
  /** All of them as one. */
  readonly whole: CookieCase;
}

export function sheetsOf(cases: readonly CookieCase[]): Sheet[] {
  const sheets: Sheet[] = [];
  const shared = new Map<string, CookieCase[]>();
  for (const given of cases) {
    const place = JSON.stringify([given.api, given.settings, given.https]);
    if (canShare(given)) shared.set(place, [...(shared.get(place) ?? []), given]);
    else sheets.push({ cases: [given], whole: given });
  }
  for (const group of shared.values())
    for (let at = 0; at < group.length; at += CASES_PER_PAGE)
      sheets.push(sheetOf(group.slice(at, at + CASES_PER_PAGE)));
  return sheets;
}

/** What each case of a sheet led to; an error in place of what was not observed. */
export function observedOf(
  { cases }: Sheet,
  observations: readonly Observation[] | Error,
): readonly (readonly Observation[] | Error)[] {
  if (observations instanceof Error) return cases.map(() => observations);
  let at = 0;
  let fault: Error | undefined;
  return cases.map((given) => {
    const before = fault;
    const own = observations.slice(at, at + given.steps.length);
    at += given.steps.length + wiping(given).length;
    const wiped = observations[at - 1];
    if (wiped && (wiped.document.length > 0 || wiped.cookies.some((list) => list?.length !== 0)))
      fault ??= new Error(`cookies stay behind “${given.name}”: ${JSON.stringify(wiped)}`);
    return before ?? own;
  });
}

function sheetOf(cases: readonly CookieCase[]): Sheet {
  const [{ name, api, settings, https }] = cases as [CookieCase];
  const steps = cases.flatMap((given) => [...given.steps, ...wiping(given)]);
  return {
    cases,
    whole: { name: `with ${name}`, steps, ...(api && { api }), ...(settings && { settings }), ...(https && { https }) },
  };
}

function canShare({ only, withoutStorage, serviceWorker, private: isPrivate, steps }: CookieCase): boolean {
  return !(only || withoutStorage || serviceWorker || isPrivate) && steps.every(needsNothingElse);
}

function needsNothingElse(step: Step): boolean {
  return 'script' in step || 'waitMs' in step || ('calls' in step && step.calls.every(({ tab }) => tab === undefined));
}
