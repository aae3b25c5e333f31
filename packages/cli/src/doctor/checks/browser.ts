// Access of pages in browsers: CORS for listed origins, refusal of others, and the WebSocket upgrade.
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
import { bodyOf, type OuterResponse, reasonOf } from '../hop.ts';

/** Appended to the client's key in the digest of an accepted handshake (RFC 6455 §4.2.2). */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MAX_AGE_SECONDS = 7200;
const LIST_IT = 'add it to CORS_ORIGINS exactly as given here';
const NO_CORS_OF_ITS_OWN = 'an intermediary adds CORS fields: leave CORS to the relay';
const LET_CORS_PASS =
  'the relay does not refuse it, so an intermediary drops Origin or the CORS fields: let it forward them';

/** Checks that a page of `--origin` may pair and exchange, with one preflight per two hours. */
export async function checkOrigin({ hop, options, report }: Examination): Promise<void> {
  const { origin } = options;
  if (origin === undefined)
    return report.skip('CORS', 'use --origin https://app.example.com to send requests as a page does');
  try {
    for (const target of [PATH_PAIR, PATH_EXCHANGE]) {
      const response = await preflight(hop, target, origin);
      const fault = faultOfPreflight(response, origin);
      if (!fault) continue;
      const isSilent = fault.todo === LIST_IT && relayCodeOf(await postFrom(hop, origin)) !== 'origin-refused';
      const todo = isSilent ? LET_CORS_PASS : fault.todo;
      return report.fail('CORS', `preflight of ${target} for ${origin}: ${fault.saw}`, todo);
    }
    const response = await postFrom(hop, origin);
    const allowed = response.values('access-control-allow-origin');
    if (relayCodeOf(response) === 'origin-refused') return report.fail('CORS', `${origin} is refused`, LIST_IT);
    if (!isRefusedForContent(response)) {
      const { saw, todo } = explain(response);
      return report.fail('CORS', `a pairing from ${origin}: ${saw}`, todo);
    }
    if (allowed.join() !== origin) {
      return report.fail(
        'CORS',
        `responses allow ${allowed.join(' and ') || 'no origin'}, not ${origin}`,
        allowed.length === 0 ? LET_CORS_PASS : NO_CORS_OF_ITS_OWN,
      );
    }
    report.ok('CORS', `${origin} may pair and exchange, one preflight per ${MAX_AGE_SECONDS / 3600} hours`);
  } catch (error) {
    report.fail('CORS', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}

/** Checks that the relay refuses a page of an origin that is not listed. */
export async function checkForeignOrigin({ hop, report }: Examination): Promise<void> {
  const origin = `https://${randomUUID()}.invalid`;
  try {
    const asked = (await preflight(hop, PATH_EXCHANGE, origin)).values('access-control-allow-origin');
    const response = await postFrom(hop, origin);
    const allowed = [...asked, ...response.values('access-control-allow-origin')];
    if (allowed.length > 0) {
      return report.fail(
        'foreign origin',
        `pages of every origin may read responses: ${[...new Set(allowed)].join(', ')}`,
        NO_CORS_OF_ITS_OWN,
      );
    }
    if (relayCodeOf(response) === 'origin-refused') return report.ok('foreign origin', 'is refused');
    const { saw, todo } = explain(response);
    const isStripped = isRefusedForContent(response);
    report.fail(
      'foreign origin',
      `was not refused for its origin: ${saw}`,
      isStripped ? 'an intermediary drops Origin: let it forward the field' : todo,
    );
  } catch (error) {
    report.warn('foreign origin', reasonOf(error), 'see the logs of the relay and of the ingress');
  }
}

function preflight(hop: Examination['hop'], target: string, origin: string): Promise<OuterResponse> {
  const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  return hop.send({ method: 'OPTIONS', target, headers });
}

/** A pairing request of one byte. The relay refuses its content only after it has accepted its origin. */
function postFrom(hop: Examination['hop'], origin: string): Promise<OuterResponse> {
  const headers = { origin, 'content-type': CONTENT_TYPE_PAIRING };
  return hop.send({ method: 'POST', target: PATH_PAIR, headers, body: new Uint8Array(1) });
}

function isRefusedForContent(response: OuterResponse): boolean {
  return ['version-unsupported', 'malformed'].includes(relayCodeOf(response) ?? '');
}

function faultOfPreflight(response: OuterResponse, origin: string): { saw: string; todo: string } | undefined {
  const { status, values } = response;
  if (status < 200 || status > 299) {
    return { saw: explain(response).saw, todo: 'an intermediary responds to OPTIONS itself: let it forward OPTIONS' };
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
    return { saw: `max-age is ${maxAge || 'missing'}, so browsers repeat preflights`, todo: NO_CORS_OF_ITS_OWN };
  if (!/\borigin\b/i.test(values('vary').join()))
    return {
      saw: 'Vary: Origin is missing',
      todo: 'a cache would reuse one origin’s response for another: let the intermediary forward Vary',
    };
  return undefined;
}

/** Opens the outer WebSocket and closes it at once. */
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
      const response = {
        status: res.statusCode as number,
        headers: res.headers,
        values: () => [],
        body: await bodyOf(res),
        headMs: 0,
        totalMs: 0,
      };
      const { saw, todo } = explain(response);
      return report.fail('WebSocket', `the upgrade does not arrive: ${saw}`, todo);
    }
    const whole =
      res.headers['sec-websocket-accept'] === accept && res.headers['sec-websocket-protocol'] === WEBSOCKET_SUBPROTOCOL;
    if (whole) return report.ok('WebSocket', 'the upgrade passes');
    report.fail('WebSocket', 'a server other than the relay took the upgrade', `route ${PATH_WEBSOCKET} to the relay`);
  } catch (error) {
    report.fail(
      'WebSocket',
      `the upgrade does not arrive: ${reasonOf(error)}`,
      'an intermediary drops Connection and Upgrade, or WebSockets: allow them on /api/mte-ws',
    );
  } finally {
    req.destroy();
  }
}
