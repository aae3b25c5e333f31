// What a page in a browser needs, and what pages of others must not have: CORS, and the WebSocket upgrade.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  CONTENT_TYPE_PAIRING,
  PATH_EXCHANGE,
  PATH_PAIR,
  PATH_WEBSOCKET,
  WEBSOCKET_SUBPROTOCOL,
} from '@mte-relay/protocol';
import type { Examination } from '../examination.ts';
import { explain, relayCodeOf } from '../explain.ts';
import { bodyOf, type OuterAnswer, reasonOf } from '../hop.ts';

/** Behind the client's key in the digest of an accepted handshake (RFC 6455 §4.2.2). */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MAX_AGE_SECONDS = 7200;
const LIST_IT = 'add it to CORS_ORIGINS exactly as given here';
const NO_CORS_OF_ITS_OWN = 'a box adds CORS fields of its own: leave CORS to the relay';
const LET_CORS_PASS = 'the relay does not refuse it: a box takes Origin or the CORS fields off, so let them pass';

/** A page of `--origin` may pair and exchange, asked once per two hours. */
export async function checkOrigin({ hop, options, report }: Examination): Promise<void> {
  const { origin } = options;
  if (origin === undefined) return report.skip('CORS', '--origin https://app.example.com would ask as a page does');
  try {
    for (const target of [PATH_PAIR, PATH_EXCHANGE]) {
      const answer = await preflight(hop, target, origin);
      const fault = faultOfPreflight(answer, origin);
      if (!fault) continue;
      const isSilent = fault.todo === LIST_IT && relayCodeOf(await postFrom(hop, origin)) !== 'origin-refused';
      const todo = isSilent ? LET_CORS_PASS : fault.todo;
      return report.fail('CORS', `preflight of ${target} for ${origin}: ${fault.saw}`, todo);
    }
    const answer = await postFrom(hop, origin);
    const allowed = answer.values('access-control-allow-origin');
    if (relayCodeOf(answer) === 'origin-refused') return report.fail('CORS', `${origin} is refused`, LIST_IT);
    if (!isRefusedForContent(answer)) {
      const { saw, todo } = explain(answer);
      return report.fail('CORS', `a pairing from ${origin}: ${saw}`, todo);
    }
    if (allowed.join() !== origin) {
      return report.fail(
        'CORS',
        `answers allow ${allowed.join(' and ') || 'no origin'}, not ${origin}`,
        allowed.length === 0 ? LET_CORS_PASS : NO_CORS_OF_ITS_OWN,
      );
    }
    report.ok('CORS', `${origin} may pair and exchange, one preflight per ${MAX_AGE_SECONDS / 3600} hours`);
  } catch (error) {
    report.fail('CORS', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}

/** A page of an origin that nobody has listed may do nothing. */
export async function checkForeignOrigin({ hop, report }: Examination): Promise<void> {
  const origin = `https://${randomUUID()}.invalid`;
  try {
    const asked = (await preflight(hop, PATH_EXCHANGE, origin)).values('access-control-allow-origin');
    const answer = await postFrom(hop, origin);
    const allowed = [...asked, ...answer.values('access-control-allow-origin')];
    if (allowed.length > 0) {
      return report.fail(
        'foreign origin',
        `pages of every origin may read answers: ${[...new Set(allowed)].join(', ')}`,
        NO_CORS_OF_ITS_OWN,
      );
    }
    if (relayCodeOf(answer) === 'origin-refused') return report.ok('foreign origin', 'is refused');
    const { saw, todo } = explain(answer);
    const isStripped = isRefusedForContent(answer);
    report.fail(
      'foreign origin',
      `was not refused for its origin: ${saw}`,
      isStripped ? 'a box takes Origin off: let it pass' : todo,
    );
  } catch (error) {
    report.warn('foreign origin', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}

function preflight(hop: Examination['hop'], target: string, origin: string): Promise<OuterAnswer> {
  const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  return hop.send({ method: 'OPTIONS', target, headers });
}

/** A pairing request of one byte: the relay refuses it for its content, and only after its origin was welcome. */
function postFrom(hop: Examination['hop'], origin: string): Promise<OuterAnswer> {
  const headers = { origin, 'content-type': CONTENT_TYPE_PAIRING };
  return hop.send({ method: 'POST', target: PATH_PAIR, headers, body: new Uint8Array(1) });
}

function isRefusedForContent(answer: OuterAnswer): boolean {
  return ['version-unsupported', 'malformed'].includes(relayCodeOf(answer) ?? '');
}

function faultOfPreflight(answer: OuterAnswer, origin: string): { saw: string; todo: string } | undefined {
  const { status, values } = answer;
  if (status < 200 || status > 299) {
    return { saw: explain(answer).saw, todo: 'a box answers OPTIONS itself: let it pass to the relay' };
  }
  const allowed = values('access-control-allow-origin');
  if (allowed.length === 0) return { saw: 'the origin is not allowed', todo: LIST_IT };
  if (allowed.join() !== origin) return { saw: `it allows ${allowed.join(' and ')}`, todo: NO_CORS_OF_ITS_OWN };
  if (values('access-control-allow-credentials').join() !== 'true')
    return { saw: 'credentials are not allowed', todo: NO_CORS_OF_ITS_OWN };
  if (!/\bPOST\b/.test(values('access-control-allow-methods').join()))
    return { saw: 'POST is not allowed', todo: NO_CORS_OF_ITS_OWN };
  if (!/\bcontent-type\b/i.test(values('access-control-allow-headers').join())) {
    return { saw: 'content-type is not allowed', todo: NO_CORS_OF_ITS_OWN };
  }
  const maxAge = values('access-control-max-age').join();
  if (Number(maxAge) < MAX_AGE_SECONDS)
    return { saw: `max-age is ${maxAge || 'missing'}, so that browsers ask often`, todo: NO_CORS_OF_ITS_OWN };
  if (!/\borigin\b/i.test(values('vary').join()))
    return { saw: 'Vary: Origin is missing', todo: 'a cache would give one origin’s answer to another: let Vary pass' };
  return undefined;
}

/** The upgrade that a sealed WebSocket begins with; closed again at once. */
export async function checkWebSocket({ hop, options, report }: Examination): Promise<void> {
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64');
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': WEBSOCKET_SUBPROTOCOL,
    ...(options.origin !== undefined && { origin: options.origin }),
  };
  const req = hop.open({ method: 'GET', target: PATH_WEBSOCKET, headers, fresh: true });
  try {
    const { res, upgraded } = await new Promise<{ res: IncomingMessage; upgraded: boolean }>((resolve, reject) => {
      req.on('upgrade', (res, socket) => {
        socket.destroy();
        resolve({ res, upgraded: true });
      });
      req.on('response', (res) => resolve({ res, upgraded: false }));
      req.on('error', reject);
      req.end();
    });
    if (!upgraded) {
      const answer = {
        status: res.statusCode as number,
        headers: res.headers,
        values: () => [],
        body: await bodyOf(res),
        headMs: 0,
        totalMs: 0,
      };
      const { saw, todo } = explain(answer);
      return report.fail('WebSocket', `the upgrade does not arrive: ${saw}`, todo);
    }
    const whole =
      res.headers['sec-websocket-accept'] === accept && res.headers['sec-websocket-protocol'] === WEBSOCKET_SUBPROTOCOL;
    if (whole) return report.ok('WebSocket', 'the upgrade passes');
    report.fail('WebSocket', 'something else than the relay took the upgrade', `route ${PATH_WEBSOCKET} to the relay`);
  } catch (error) {
    report.fail(
      'WebSocket',
      `the upgrade does not arrive: ${reasonOf(error)}`,
      'a box drops Connection and Upgrade, or WebSockets: let them through on /api/mte-ws',
    );
  } finally {
    req.destroy();
  }
}
