// Cases of SPEC §7 for clients: one call each, and what the client gets of its outer messages. Generated: every kind of
// call against every first outcome, every outcome of the cancel, and every new pairing.
import type { ClientCallCase } from '../format.ts';
import {
  type BodyKind,
  type Call,
  type CancelOutcome,
  type End,
  type ExchangeOutcome,
  type Outcome,
  type PairingOutcome,
  playCall,
  type StoreFacts,
} from '../twin/client.ts';

const RESULT: CancelOutcome = { gets: 'the result' };
const LOST: CancelOutcome = { gets: 'the result', lost: true };
const SESSION: PairingOutcome = { gets: 'a session' };

/** Outcomes that leave open whether the relay has the message. */
const LOSSES: ExchangeOutcome[] = (['nothing', 'garbage', 'html', 401, 409, 413, 503] as const).flatMap((gets) => [
  { gets },
  { gets, delivered: true },
]);
const FIRSTS: ExchangeOutcome[] = [{ gets: 'no connection' }, { gets: 'stale' }, ...LOSSES];

/** Of the cancel behind a message without a response. */
const CANCELS: CancelOutcome[][] = [
  [RESULT],
  [{ gets: 503 }, RESULT],
  [{ gets: 'nothing', delivered: true }, RESULT],
  [{ gets: 'garbage' }, { gets: 'nothing' }],
  [{ gets: 503 }, { gets: 409 }],
];

/** The parameters of the new pairing, each against "the same lineage and pin, newer, and older than the call". */
const STORES: StoreFacts[] = [
  {},
  { lineage: 'another' },
  { lineage: 'zeros' },
  { epoch: 'the same' },
  { epoch: 'older' },
  { epoch: 'zero' },
  { age: 'zero' },
  { pin: 'another pinned one' },
];

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'REPORT'];
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

export function clientCallCases(): ClientCallCase[] {
  const cases = new Map<string, ClientCallCase>();
  const add = (call: Call, way: Outcome[]): void => {
    const one = caseOf(call, way);
    cases.set(one.name, one);
  };
  const all: [Call, Outcome[]][] = [
    ...losses(),
    ...cancels(),
    ...stores(),
    ...staleOnes(),
    ...bounds(),
    ...abandoned(),
  ];
  for (const [call, way] of all) add(call, way);
  return [...cases.values()];
}

function call(method: string, more: Partial<Call> = {}): Call {
  const body: BodyKind = method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'whole' : 'none';
  return { method, body, lineage: 'some', ...more };
}

type Play = [Call, Outcome[]];

/** Every call that may differ from another, against every first outcome, with a cancel that works. */
function losses(): Play[] {
  const calls = [
    ...[...SAFE, ...METHODS].map((method) => call(method)),
    ...['POST', 'PUT'].flatMap((method) => (['pieces', 'stream'] as const).map((body) => call(method, { body }))),
    ...['GET', 'POST', 'PUT'].map((method) => call(method, { lineage: 'zeros' })),
    call('PUT', { body: 'pieces', lineage: 'zeros' }),
    call('PUT', { body: 'stream', lineage: 'zeros' }),
  ];
  return calls.flatMap((one) => FIRSTS.map((first): Play => [one, [first]]));
}

/** What becomes of the cancel. */
function cancels(): Play[] {
  const firsts: ExchangeOutcome[] = [{ gets: 'nothing' }, { gets: 503, delivered: true }];
  return ['POST', 'PUT'].flatMap((method) =>
    firsts.flatMap((first) =>
      CANCELS.slice(1).flatMap((outcomes) =>
        (['some', 'zeros'] as const).map((lineage): Play => [call(method, { lineage }), [first, ...outcomes]]),
      ),
    ),
  );
}

/** A relay that does not know the session: what its new store proves. */
function stores(): Play[] {
  const lost: Play[] = ['POST', 'PUT'].flatMap((method) =>
    (['some', 'zeros'] as const).flatMap((lineage) =>
      STORES.flatMap((parameters) =>
        ([401, 'nothing'] as const).map((gets): Play => {
          return [call(method, { lineage }), [{ gets }, LOST, { ...SESSION, parameters }]];
        }),
      ),
    ),
  );
  // The message ran before the store was lost: the new one is not older than the call.
  const ran: Play[] = ['POST', 'PUT'].map((method) => {
    return [call(method), [{ gets: 'nothing', delivered: true }, LOST, { ...SESSION, parameters: { age: 'zero' } }]];
  });
  // A forged 401 where the relay has the session: the store is the old one.
  const same: StoreFacts = { epoch: 'the same', age: 'longer' };
  const forged: Play[] = ['POST', 'PUT'].flatMap((method) =>
    [true, false].map((delivered): Play => {
      return [call(method), [{ gets: 401, delivered }, { gets: 401 }, { ...SESSION, parameters: same }]];
    }),
  );
  const failing: Play[] = ['GET', 'POST', 'PUT'].flatMap((method) =>
    ([503, 'nothing'] as const).flatMap((gets): Play[] => [
      [call(method), method === 'GET' ? [{ gets: 401 }, { gets }] : [{ gets: 401 }, LOST, { gets }]],
      [call(method), method === 'GET' ? [{ gets: 401 }, { gets }] : [{ gets: 401 }, RESULT, { gets }]],
    ]),
  );
  const twice: Play[] = [
    [call('GET'), [{ gets: 401 }, SESSION, { gets: 401 }]],
    [call('POST'), [{ gets: 401 }, RESULT, SESSION, { gets: 401 }, RESULT]],
    [call('POST'), [{ gets: 401 }, LOST, SESSION, { gets: 401 }, { gets: 401 }]],
    [call('POST'), [{ gets: 401 }, LOST, SESSION, { gets: 503 }, RESULT]],
    [call('POST'), [{ gets: 503 }, LOST, SESSION, { gets: 'nothing', delivered: true }]],
    [call('POST', { body: 'stream' }), [{ gets: 401 }, LOST, SESSION]],
    [call('PUT', { body: 'pieces' }), [{ gets: 401 }, LOST, SESSION]],
  ];
  return [...lost, ...ran, ...forged, ...failing, ...twice];
}

/** Sealed refusals of what was too old. */
function staleOnes(): Play[] {
  const stale: ExchangeOutcome = { gets: 'stale' };
  return ['GET', 'POST', 'PUT'].flatMap((method): Play[] => [
    [call(method), [stale, stale]],
    [call(method), [stale, stale, stale]],
    [call(method), [stale, { gets: 'nothing', delivered: true }]],
    [call(method), [{ gets: 'nothing' }, ...(method === 'GET' ? [] : [RESULT]), stale]],
    [call(method, { lineage: 'zeros' }), [stale, stale, stale]],
  ]);
}

/** Calls of which every attempt ends in the same way. */
function bounds(): Play[] {
  return ['GET', 'POST', 'PUT'].flatMap((method) =>
    FIRSTS.map((outcome): Play => {
      const cancel = method === 'GET' || outcome.gets === 'no connection' || outcome.gets === 'stale' ? [] : [RESULT];
      const pairing = outcome.gets === 401 ? [SESSION] : [];
      const round = [outcome, ...cancel];
      return [call(method), [...round, ...pairing, ...round, ...round]];
    }),
  );
}

/** Given up by the caller at each of its outer messages. */
function abandoned(): Play[] {
  const ways: Outcome[][] = [
    [{ gets: 'nothing' }],
    [{ gets: 503 }, RESULT, { gets: 503 }],
    [{ gets: 503 }, { gets: 503 }, RESULT, { gets: 'nothing' }],
    [{ gets: 'nothing' }, LOST, SESSION],
    [{ gets: 401 }, RESULT, SESSION],
  ];
  return ['GET', 'POST', 'PUT', 'DELETE'].flatMap((method) =>
    ways.flatMap((way) =>
      [0, 1, 2, 3].flatMap((abortAt): Play[] => {
        const safeWay = method === 'GET' ? way.filter((outcome) => outcome !== RESULT && outcome !== LOST) : way;
        const one = call(method, { abortAt });
        // A call that ends before it is given up is another case.
        const { end } = playCall(one, safeWay);
        return 'error' in end && end.error === 'aborted' ? [[one, safeWay]] : [];
      }),
    ),
  );
}

function caseOf(one: Call, way: Outcome[]): ClientCallCase {
  const { sends, end, afterwards, runs } = playCall(one, way);
  const given = way.slice(0, one.abortAt ?? sends.length); // the rest never comes up
  return { name: nameOf(one, given), call: one, way: given, sends, end: ended(end), afterwards, runs };
}

/** Without members that do not apply, whatever their order. */
function ended(end: End): End {
  return JSON.parse(JSON.stringify(end)) as End;
}

function nameOf({ method, body, lineage, abortAt }: Call, way: readonly Outcome[]): string {
  const kind = `${method}${body === 'none' ? '' : `, ${body}`}${lineage === 'zeros' ? ', lineage zeros' : ''}`;
  const gets = way.map((outcome) => {
    const facts = 'parameters' in outcome ? Object.entries(outcome.parameters ?? {}).map((fact) => fact.join(' ')) : [];
    const delivered = 'delivered' in outcome && outcome.delivered ? ' (delivered)' : '';
    const lost = 'lost' in outcome && outcome.lost ? 'lost session' : outcome.gets;
    return `${lost}${delivered}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`;
  });
  return `${kind}: ${[...gets, ...(abortAt === undefined ? [] : ['given up'])].join(', ')}`;
}
