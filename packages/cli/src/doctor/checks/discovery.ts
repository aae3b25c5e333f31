// Who answers: discovery, its keys against the pins, the echo, the clock, and that nothing unsealed gets past the relay.
import { randomUUID } from 'node:crypto';
import { KEM_PUBLIC_KEY_BYTES, PATH_DISCOVERY, PROTOCOL_VERSION, pinOfDigest, SUITE_ID } from '@mte-relay/protocol';
import type { Examination, ShownKey } from '../examination.ts';
import { explain, jsonOf, relayCodeOf, textOf } from '../explain.ts';
import { type OuterAnswer, reasonOf } from '../hop.ts';

const PATH_ECHO = '/api/mte-echo';
/** A Date field has whole seconds, and the way takes its own time. */
const CLOCK_TOLERANCE_MS = 5_000;
/** Keys of a discovery document that are looked at: a relay in rotation has two. */
const KEYS_MAX = 4;
/** Lifetimes of tokens and the days of a certificate are safe with less. */
const CLOCK_SKEW_MAX_MS = 60_000;

/** False when no relay of this protocol answers: nothing behind it makes sense then. */
export async function checkDiscovery(examination: Examination): Promise<boolean> {
  const { hop, report } = examination;
  let answer: OuterAnswer;
  try {
    answer = await hop.send({ method: 'GET', target: PATH_DISCOVERY });
  } catch (error) {
    report.unreachable = true;
    report.fail(
      'discovery',
      `GET ${PATH_DISCOVERY}: ${reasonOf(error)}`,
      'is it an HTTP server, and is the relay behind it running?',
    );
    return false;
  }
  const document = answer.status === 200 ? jsonOf(answer.body) : undefined;
  if (!document || !Array.isArray(document['versions'])) {
    const { saw, todo } = explain(answer);
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
      'it shows no whole key',
      'a box changes or cuts the JSON: let it pass /api/mte-relay as it is',
    );
    return false;
  }
  judgeCaching(examination, answer);
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

function judgeCaching({ report, keys }: Examination, { headers }: OuterAnswer): void {
  const caching = headers['cache-control'] ?? '';
  const seconds = Number(/max-age=(\d+)/.exec(caching)?.[1] ?? Number.NaN);
  const saw = `version ${PROTOCOL_VERSION}, suite ${SUITE_ID}, ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`;
  if (seconds > 0 && seconds <= 3600) {
    return report.ok('discovery', `${saw}, may be cached for ${seconds} s`, { keys: keys.map(({ pin }) => pin) });
  }
  report.warn(
    'discovery',
    `${saw}; cache-control was changed to "${caching}"`,
    'let the box keep it: a key that is cached for long outlives its rotation',
  );
}

/** Chooses the key to pair with. False when it is another one than the pinned: nothing is sealed to it. */
export function checkPin(examination: Examination): boolean {
  const { keys, options, report } = examination;
  const { pins } = options;
  const [newest] = keys as [ShownKey];
  if (pins.length === 0) {
    examination.trusted = newest;
    report.warn(
      'pin',
      `none given; the relay shows ${keys.map(({ pin }) => pin).join(', then ')}`,
      'compare with `mte-relay-server identity` and give it by --pin: without pins a client trusts whatever it sees first',
    );
    return true;
  }
  const trusted = keys.find(({ pin }) => pins.includes(pin));
  if (!trusted) {
    report.pinMismatch = true;
    report.fail(
      'pin',
      `the relay shows ${keys.map(({ pin }) => pin).join(', ')}, pinned: ${pins.join(', ')}`,
      'was CLIENT_ID_SECRET or RELAY_IDENTITY_SEED changed without overlap? Then put the old one behind the new ("new,old"). If not, somebody is in between',
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
      'a rotation is under way: give clients the newest pin too, before the older key goes',
    );
  return true;
}

/** The reference's own test of health, and the clocks on the way. */
export async function checkEcho({ hop, report }: Examination): Promise<void> {
  const message = randomUUID();
  let answer: OuterAnswer;
  const sentMs = Date.now();
  try {
    answer = await hop.send({ method: 'GET', target: `${PATH_ECHO}?msg=${message}` });
  } catch (error) {
    return report.fail('echo', reasonOf(error), 'the connection broke: see the logs of the relay and of the ingress');
  }
  const document = jsonOf(answer.body);
  if (answer.status !== 200 || document?.['echo'] === undefined) {
    const { saw, todo } = explain(answer);
    return report.fail('echo', saw, todo);
  }
  if (document['echo'] !== message) {
    report.fail('echo', 'an old answer came back', 'a cache ignores cache-control: no-store: exempt /api/mte* from it');
  } else {
    report.ok('echo', `answered in ${Math.round(answer.totalMs)} ms`);
  }
  const middleMs = sentMs + answer.totalMs / 2;
  const relayMs = Date.parse(textOf(document['time']));
  judgeClock(
    report,
    'clock of relay',
    { skewMs: relayMs - middleMs, of: 'this machine’s' },
    'set the time of the relay’s nodes by NTP, since client IDs are dated by it; or this machine’s, if a third clock says so',
  );
  const date = answer.headers.date;
  if (date === undefined || Number.isNaN(relayMs)) return;
  // Beside the relay's, so that a wrong clock of relay or of this machine is told once, and not as a box's.
  judgeClock(
    report,
    'clock of answer',
    { skewMs: Date.parse(date) - relayMs, of: 'the relay’s' },
    'a box in front sets Date by a clock of its own: set it by NTP, or caches misjudge ages',
  );
}

interface Skew {
  readonly skewMs: number;
  /** Whose clock it is compared with. */
  readonly of: string;
}

function judgeClock(report: Examination['report'], check: string, { skewMs, of }: Skew, todo: string): void {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const facts = { skewMs: Math.round(skewMs) };
  if (Number.isNaN(skewMs)) return report.warn(check, 'it names no time', todo);
  if (Math.abs(skewMs) <= CLOCK_TOLERANCE_MS) return report.ok(check, `agrees with ${of}`, facts);
  const saw = `is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ${of}`;
  if (Math.abs(skewMs) > CLOCK_SKEW_MAX_MS) report.fail(check, saw, todo, facts);
  else report.warn(check, saw, todo, facts);
}

/** A path of our own invention, unsealed: the relay must refuse it, and nobody else may answer. */
export async function checkUnsealed({ hop, report }: Examination): Promise<void> {
  const target = `/mte-relay-doctor/${randomUUID()}`;
  try {
    const answer = await hop.send({ method: 'GET', target });
    if (relayCodeOf(answer) === 'not-found') return report.ok('unsealed', 'an unsealed request is refused');
    const { saw } = explain(answer);
    report.fail(
      'unsealed',
      `an unsealed request is not refused by the relay; ${saw}`,
      'the ingress leads past the relay, or PASS_THROUGH_ROUTES has "*": only listed paths may go unsealed',
    );
  } catch (error) {
    report.warn('unsealed', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}
