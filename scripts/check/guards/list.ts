// The guards against known attacks, and the tests that fail without each of them (docs/known-attacks.md).

/** One guard. */
export interface Guard {
  readonly attack: string;
  readonly file: string;
  /** Text that stands in the file exactly once. */
  readonly guard: string;
  readonly instead: string;
  readonly tests: readonly string[];
  /** True if the tests run what `npm run build` makes; without, they run the sources. */
  readonly isBuilt?: boolean;
}

const COOKIES = ['packages/server/test/sealed/cookies.test.ts'];
const FIELDS = ['packages/server/test/four-ways.test.ts', 'packages/server/test/attacks/headers.test.ts'];
const RESEND = ['packages/client/test/safe-resend.test.ts'];
const RETRY = 'packages/client/src/send/retry.ts';
const AGE = ['packages/server/test/sealed/age.test.ts'];
const WORKER_ATTACKS = ['test/e2e/service-worker-attacks.test.ts'];
const BROWSER_COOKIES = 'packages/server/src/sealed/browser-cookies.ts';
const RECORDS = 'packages/server/src/secrets/cookie-records.ts';

export const GUARDS: readonly Guard[] = [
  {
    attack: 'an intermediary plants a cookie on the outer hop',
    file: BROWSER_COOKIES,
    guard: 'if (this.#isOutside(pair.name)) crossing',
    instead: 'if (pair.name !== undefined) crossing',
    tests: COOKIES,
  },
  {
    attack: 'a client of a browser sends a cookie of its own inside',
    file: 'packages/server/src/sealed/opened-request.ts',
    guard: "name !== 'cookie'",
    instead: "name !== 'cookies'",
    tests: COOKIES,
  },
  {
    attack: 'script takes the records elsewhere, without the jar key',
    file: RECORDS,
    guard: ', jar]);',
    instead: ']);',
    tests: COOKIES,
  },
  {
    attack: 'records of one client in a session of another',
    file: RECORDS,
    guard: "new Uint8Array(Buffer.from(clientId, 'base64url')), jar",
    instead: 'jar',
    tests: COOKIES,
  },
  {
    attack: 'thousands of junk records',
    file: BROWSER_COOKIES,
    guard: "if (!isBounded || !areRecords) throw new InnerRefusal('request-malformed');",
    instead: 'void [isBounded, areRecords];',
    tests: COOKIES,
  },
  {
    attack: 'attributes of a cookie from the path of its request',
    file: 'packages/server/src/http/cookie.ts',
    guard: "requestPath.split(';', 1)[0] as string",
    instead: 'requestPath',
    tests: COOKIES,
  },
  {
    attack: 'a cookie without a name that becomes one with a name',
    file: 'packages/server/src/http/cookie.ts',
    guard: "name === '' && !value.includes('=')",
    instead: "name === ''",
    tests: COOKIES,
  },
  {
    attack: 'an upstream sets a jar key',
    file: BROWSER_COOKIES,
    guard: 'if (setsJarKey(setCookie)) continue;',
    instead: 'void setsJarKey;',
    tests: COOKIES,
  },
  {
    attack: 'a jar key reaches an upstream on a pass-through route',
    file: 'packages/server/src/pass-through/fields.ts',
    guard: 'withoutJarKeys(value)',
    instead: 'value',
    tests: COOKIES,
  },
  {
    attack: 'SameSite of a cookie in a request that another site caused',
    file: 'packages/server/src/http/cookie.ts',
    guard: 'if (!allowsSite(cookie.sameSite, request.context)) return false;',
    instead: '',
    tests: COOKIES,
  },
  {
    attack: 'a client id that an intermediary handed out',
    file: 'packages/client/src/session/identity.ts',
    guard: 'this.#pins.includes(identity.pin) && ',
    instead: '',
    tests: ['packages/client/test/cookies.test.ts'],
  },
  {
    attack: 'a client id in the log',
    file: 'packages/server/src/observe/account.ts',
    guard: 'client: nameOfClient(clientId)',
    instead: 'client: clientId',
    tests: ['packages/server/test/observe/log-lines.test.ts'],
  },
  {
    attack: 'an inner authority that is not the pairing’s',
    file: 'packages/server/src/sealed/opened-request.ts',
    guard: '    requireAuthority(session, head);\n',
    instead: '',
    tests: ['packages/server/test/attacks/authority.test.ts'],
  },
  {
    attack: 'an alias of a field that the operator sets',
    file: 'packages/server/src/http/own-fields.ts',
    guard: 'this.#names.has(plainName(name))',
    instead: 'this.#names.has(name)',
    tests: FIELDS,
  },
  {
    attack: 'a client names itself by an identity field',
    file: 'packages/server/src/http/crossing.ts',
    guard: 'return namesACaller(plain) || ',
    instead: 'return ',
    tests: FIELDS,
  },
  {
    attack: 'an upstream that leads back to the relay',
    file: 'packages/server/src/sealed/opened-request.ts',
    guard: "if (domain.via.isIn(head.headers)) throw new InnerRefusal('loop-detected');",
    instead: '',
    tests: FIELDS,
  },
  {
    attack: 'DNS rebinding to the egress',
    file: 'packages/cli/src/egress/callers.ts',
    guard: "if (host !== undefined && !this.#isOwn(host, req)) return 'host-refused';",
    instead: 'void host;',
    tests: ['packages/cli/test/egress-callers.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a page of another site uses the egress',
    file: 'packages/cli/src/egress/callers.ts',
    guard: "return this.#isOfAnotherSite(req) ? 'origin-refused' : undefined;",
    instead: 'return this.#isOfAnotherSite(req) ? undefined : undefined;',
    tests: ['packages/cli/test/egress-callers.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a held PUT runs over newer writes: cancel before a resend',
    file: RETRY,
    guard: 'if (this.#safe) return undefined;\n    const lease',
    instead: "if (isIdempotent(this.#request.head.method)) return 'claimed';\n    const lease",
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'a PUT in pieces that is claimed and held back, resent',
    file: RETRY,
    guard: ' && !this.#lease?.inPieces',
    instead: '',
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'a request that the app has aborted runs later',
    file: RETRY,
    guard: 'if (!lease || this.#safe || context.abandoned >= ABANDONED_MAX) return;',
    instead: 'if (lease !== undefined || ABANDONED_MAX > 0) return;',
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'a store that can lose claims is believed',
    file: RETRY,
    guard: 'cancelled && lease.session.vouches',
    instead: 'cancelled',
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'two relays side by side: the store of another line is taken for proof',
    file: 'packages/client/src/session/session.ts',
    guard: ' && equalBytes(lineage, old.parameters.lineage)',
    instead: '',
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'two pinned keys: the store of another relay is taken for proof',
    file: 'packages/client/src/session/session.ts',
    guard: ' && this.pin === old.pin',
    instead: '',
    tests: RESEND,
    isBuilt: true,
  },
  {
    attack: 'relays in memory that are not declared sole share a lineage',
    file: 'packages/server/src/relay.ts',
    guard: "settings.SOLE_INSTANCE === 'true'",
    instead: "settings.SOLE_INSTANCE !== 'false'",
    tests: ['test/e2e/relays-side-by-side.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a held request runs at any age',
    file: 'packages/server/src/sealed/age.ts',
    guard: 'if (Math.abs(nowMs - Number(sent)) <= settings.MESSAGE_AGE_MAX_MS) return;',
    instead: 'if (settings.MESSAGE_AGE_MAX_MS > 0) return;',
    tests: AGE,
  },
  {
    attack: 'a request from the future is fresh for longer',
    file: 'packages/server/src/sealed/age.ts',
    guard: 'Math.abs(nowMs - Number(sent))',
    instead: 'nowMs - Number(sent)',
    tests: AGE,
  },
  {
    attack: 'a clock set back makes a held request young',
    file: 'packages/server/src/sessions/clock.ts',
    guard: 'if (wallMs < runOnMs) return runOnMs;',
    instead: '',
    tests: AGE,
  },
  {
    attack: 'exact lengths of responses',
    file: 'packages/server/src/sealed/outbound.ts',
    guard: '{ informational, padToMultipleBytes: this.#padToBytes }',
    instead: '{ informational }',
    tests: ['packages/server/test/sealed/padding.test.ts'],
  },
  {
    attack: 'exact lengths of requests',
    file: 'packages/client/src/send/exchange.ts',
    guard: 'Math.max(context.padToBytes, session.parameters.padToBytes)',
    instead: '0',
    tests: ['packages/client/test/padding.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a page of another site submits a form to a listed route',
    file: 'packages/client/src/service-worker/initiator.ts',
    guard: 'if (!isReading) return undefined;',
    instead: '',
    tests: ['packages/client/test/service-worker-initiators.test.ts'],
  },
  {
    attack: 'a script registers the worker of a relay that nobody asked for',
    file: 'packages/server/src/listen/public-files.ts',
    guard: 'settings.WORKER_ROUTES.length > 0',
    instead: 'settings !== undefined',
    tests: ['packages/server/test/process/public-files.test.ts'],
  },
  {
    attack: 'a page that has lost its worker sends in clear',
    file: 'packages/client/src/service-worker/guard.ts',
    guard: 'if (!never && this.#isSealed(realm)) return undefined;',
    instead: 'if (!never) return undefined;',
    tests: WORKER_ATTACKS,
    isBuilt: true,
  },
  {
    attack: 'what no browser hands to a worker: a synchronous XMLHttpRequest',
    file: 'packages/client/src/service-worker/guarded-realm.ts',
    guard: 'isAsync ? undefined : SYNCHRONOUS',
    instead: 'isAsync ? undefined : SYNCHRONOUS.slice(1_000) || undefined',
    tests: WORKER_ATTACKS,
    isBuilt: true,
  },
  {
    attack: 'the cache mode of a page’s request is lost in the worker',
    file: 'packages/client/src/service-worker/respond.ts',
    guard: '    cache: request.cache,\n',
    instead: '',
    tests: WORKER_ATTACKS,
    isBuilt: true,
  },
  {
    attack: 'a failover that a proxy hides loses a claim, where functions name the line of writes',
    file: 'packages/server/src/sessions/redis-script.ts',
    guard: "if not mine and proposed ~= '' then mine = proposed end",
    instead: "mine = 'one for all'",
    tests: ['packages/server/test/sessions/redis-hidden-failover.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a failover that a proxy hides loses a claim, where there are no functions: a cancel reports "cancelled"',
    file: 'packages/server/src/sealed/cancel.ts',
    guard: ' && !this.#context.sessions.mayLoseClaims',
    instead: '',
    tests: ['packages/server/test/sessions/redis-hidden-failover.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a relay that starts takes sessions of another line for lost, before it knows what names a line',
    file: 'packages/server/src/sessions/redis.ts',
    guard: 'this.#naming === undefined || (',
    instead: '(',
    tests: ['packages/server/test/sessions/redis-failover.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'a Redis whose clock is set forward overstates the age of its store',
    file: 'packages/server/src/sessions/redis.ts',
    guard: 'nowMs - this.#lineSeenMs)',
    instead: 'Date.now() - Number(reply[2]))',
    tests: ['test/e2e/forging-middlebox.test.ts'],
    isBuilt: true,
  },
  {
    attack: 'an emptied Redis states the lineage of what it has lost',
    file: 'packages/server/src/sessions/redis-script.ts',
    guard: '  lineage = ARGV[5]\n',
    instead: "  lineage = string.rep('ab', 16)\n",
    tests: ['packages/server/test/sessions/redis-failover.test.ts'],
    isBuilt: true,
  },
];
