// Whether the server is the relay: discovery, its keys against the pins, the echo, the clocks, and the refusal of unsealed
// requests.
import { randomUUID } from 'node:crypto';
import { KEM_PUBLIC_KEY_BYTES, PATH_DISCOVERY, PROTOCOL_VERSION, pinOfDigest, SUITE_ID } from '@mte-relay/protocol';
import type { Examination, ShownKey } from '../examination.ts';
import { explain, jsonOf, relayCodeOf, textOf } from '../explain.ts';
import { type OuterResponse, reasonOf } from '../hop.ts';

const PATH_ECHO = '/api/mte-echo';
/** A Date field has whole seconds, and the network adds a delay. */
const CLOCK_TOLERANCE_MS = 5_000;
/** The doctor reads this many keys of a discovery document. A relay in rotation has two. */
const KEYS_MAX = 4;
/** A smaller skew does not affect lifetimes of tokens and certificates. */
const CLOCK_SKEW_MAX_MS = 60_000;

/** False when the server is not a relay of this protocol. Later checks would then be meaningless. */
export async function checkDiscovery(examination: Examination): Promise<boolean> {
  const { hop, report } = examination;
  let response: OuterResponse;
  try {
    response = await hop.send({ method: 'GET', target: PATH_DISCOVERY });
  } catch (error) {
    report.unreachable = true;
    report.fail(
      'discovery',
      `GET ${PATH_DISCOVERY}: ${reasonOf(error)}`,
      'is it an HTTP server, and is the relay behind it running?',
    );
    return false;
  }
  const document = response.status === 200 ? jsonOf(response.body) : undefined;
  if (!document || !Array.isArray(document['versions'])) {
    const { saw, todo } = explain(response);
    report.fail('discovery', saw, todo);
    return false;
  }
  const { versions, suite } = document as { versions: unknown[]; suite?: unknown };
  if (!versions.includes(PROTOCOL_VERSION) || suite !== SUITE_ID) {
    report.fail(
      'discovery',
      `the relay speaks version ${versions.map(textOf).join(', ')} with suite ${textOf(suite)}, this program version ${PROTOCOL_VERSION} with suite ${SUITE_ID}`,
      'bring the older of the two up to date: relay before clients',
    );
    return false;
  }
  examination.keys = await keysIn(examination, document);
  if (examination.keys.length === 0) {
    report.fail(
      'discovery',
      'does not show a complete key',
      'an intermediary changes or truncates the JSON: let it forward /api/mte-relay unchanged',
    );
    return false;
  }
  judgeCaching(examination, response);
  return true;
}

async function keysIn({ suite }: Examination, document: Readonly<Record<string, unknown>>): Promise<ShownKey[]> {
  const shown = Array.isArray(document['keys']) ? document['keys'].slice(0, KEYS_MAX) : [document];
  const keys: ShownKey[] = [];
  for (const entry of shown as { publicKey?: unknown }[]) {
    const publicKey = new Uint8Array(Buffer.from(textOf(entry?.publicKey), 'base64'));
    if (publicKey.length !== KEM_PUBLIC_KEY_BYTES) continue;
    keys.push({ publicKey, pin: pinOfDigest(await suite.hash(publicKey)) });
  }
  return keys;
}

function judgeCaching({ report, keys }: Examination, { headers }: OuterResponse): void {
  const caching = headers['cache-control'] ?? '';
  const seconds = Number(/max-age=(\d+)/.exec(caching)?.[1] ?? Number.NaN);
  const saw = `version ${PROTOCOL_VERSION}, suite ${SUITE_ID}, ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`;
  if (seconds > 0 && seconds <= 3600) {
    return report.ok('discovery', `${saw}, may be cached for ${seconds} s`, { keys: keys.map(({ pin }) => pin) });
  }
  report.warn(
    'discovery',
    `${saw}; cache-control was changed to "${caching}"`,
    'let the intermediary forward it unchanged: a key that is cached for long outlives its rotation',
  );
}

/** Chooses the key to pair with. False when the relay does not show a pinned one: the doctor then does not seal. */
export function checkPin(examination: Examination): boolean {
  const { keys, options, report } = examination;
  const { pins } = options;
  const [newest] = keys as [ShownKey];
  if (pins.length === 0) {
    examination.trusted = newest;
    report.warn(
      'pin',
      `none given; the relay shows ${keys.map(({ pin }) => pin).join(', then ')}`,
      'compare with `mte-relay-server identity` and set --pin: without pins a client trusts the first key that it receives',
    );
    return true;
  }
  const trusted = keys.find(({ pin }) => pins.includes(pin));
  if (!trusted) {
    report.pinMismatch = true;
    report.fail(
      'pin',
      `the relay shows ${keys.map(({ pin }) => pin).join(', ')}, pinned: ${pins.join(', ')}`,
      'was CLIENT_ID_SECRET or RELAY_IDENTITY_SEED changed without overlap? Then append the old one to the new ("new,old"). If not, an intermediary shows its own key',
    );
    return false;
  }
  examination.trusted = trusted;
  const others = keys.filter(({ pin }) => !pins.includes(pin)).map(({ pin }) => pin);
  if (others.length === 0) report.ok('pin', keys.length === 1 ? 'is the key shown' : 'both keys shown are pinned');
  else if (trusted === newest) report.ok('pin', `is the newest key; the relay also still holds ${others.join(', ')}`);
  else
    report.warn(
      'pin',
      `is the older key; the newest is ${others[0]}`,
      'a rotation is in progress: give clients the newest pin too, before the relay drops the older key',
    );
  return true;
}

/** Checks the echo, the reference's health test, and the clocks of relay and intermediaries. */
export async function checkEcho({ hop, report }: Examination): Promise<void> {
  const message = randomUUID();
  let response: OuterResponse;
  const sentMs = Date.now();
  try {
    response = await hop.send({ method: 'GET', target: `${PATH_ECHO}?msg=${message}` });
  } catch (error) {
    return report.fail(
      'echo',
      reasonOf(error),
      'the connection was cut off: see the logs of the relay and of the ingress',
    );
  }
  const document = jsonOf(response.body);
  if (response.status !== 200 || document?.['echo'] === undefined) {
    const { saw, todo } = explain(response);
    return report.fail('echo', saw, todo);
  }
  if (document['echo'] !== message) {
    report.fail(
      'echo',
      'an old response was reused',
      'a cache ignores cache-control: no-store: exempt /api/mte* from it',
    );
  } else {
    report.ok('echo', `in ${Math.round(response.totalMs)} ms`);
  }
  const middleMs = sentMs + response.totalMs / 2;
  const relayMs = Date.parse(textOf(document['time']));
  judgeClock(
    report,
    'relay clock',
    { skewMs: relayMs - middleMs, of: 'this machine’s' },
    'set the time of the relay’s nodes by NTP, since it dates client IDs; or that of this machine, if a third clock disagrees with it',
  );
  const date = response.headers.date;
  if (date === undefined || Number.isNaN(relayMs)) return;
  // Compared with the relay's clock, so that a wrong clock of the relay or of this machine is reported only once.
  judgeClock(
    report,
    'response clock',
    { skewMs: Date.parse(date) - relayMs, of: 'the relay’s' },
    'an intermediary sets Date by its own clock: set that by NTP, or caches misjudge ages',
  );
}

interface Skew {
  readonly skewMs: number;
  /** The clock that it is compared with. */
  readonly of: string;
}

function judgeClock(report: Examination['report'], check: string, { skewMs, of }: Skew, todo: string): void {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const facts = { skewMs: Math.round(skewMs) };
  if (Number.isNaN(skewMs)) return report.warn(check, 'the time is missing', todo);
  if (Math.abs(skewMs) <= CLOCK_TOLERANCE_MS) return report.ok(check, `agrees with ${of}`, facts);
  const saw = `is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ${of}`;
  if (Math.abs(skewMs) > CLOCK_SKEW_MAX_MS) report.fail(check, saw, todo, facts);
  else report.warn(check, saw, todo, facts);
}

/** Checks that the relay itself refuses an unsealed request to a random path. */
export async function checkUnsealed({ hop, report }: Examination): Promise<void> {
  const target = `/mte-relay-doctor/${randomUUID()}`;
  try {
    const response = await hop.send({ method: 'GET', target });
    if (relayCodeOf(response) === 'not-found') return report.ok('unsealed', 'an unsealed request is refused');
    const { saw } = explain(response);
    report.fail(
      'unsealed',
      `the relay does not refuse an unsealed request: ${saw}`,
      'the ingress leads past the relay, or PASS_THROUGH_ROUTES has "*": only listed paths may be unsealed',
    );
  } catch (error) {
    report.warn('unsealed', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}
