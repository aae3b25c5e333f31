// The state that all parts of a client share: one relay's sessions, transport, events, and whether the client is open.
// fetch, forward, WebSocket and EventSource each build on it, so an app loads only those that it uses.
import { FLAG_COOKIE_RECORDS, ProtocolError } from '@mte-relay/protocol';
import { platform } from '#platform';
import { RelayClientError } from './api/errors.ts';
import { Emitter } from './api/events.ts';
import type { RelayClientBase, RelayClientOptions, SessionEvent } from './api/types.ts';
import { checkedPadding, checkedPins, relayUrl } from './checked-options.ts';
import { Transport } from './outer/transport.ts';
import type { Platform, ScriptCookies } from './platform/platform.ts';
import type { SendContext } from './send/retry.ts';
import { Cookies } from './session/cookies.ts';
import { ClientIdentity } from './session/identity.ts';
import { Pairer } from './session/pairing.ts';
import { pinReporter } from './session/pin-reports.ts';
import { type Session, Sessions } from './session/session.ts';

const PAIRING_TIMEOUT_MS = 15_000;

/** One relay's shared state. */
export interface ClientCore {
  /** The relay's origin. */
  readonly origin: URL;
  readonly platform: Platform;
  /** Sends exchanges; holds the suite, the sessions and the transport. */
  readonly context: SendContext;
  /** Aborts with the error `closed` when the client closes. For work that outlives its call. */
  readonly closing: AbortSignal;
  /** Throws `closed` after {@link RelayClientBase.close}. */
  checkOpen(): void;
  /** The members that every client has. */
  readonly base: RelayClientBase;
}

/**
 * Opens a client's shared state. Sends nothing before a call or {@link RelayClientBase.pair}.
 * @param url the relay's origin, `https://host[:port]`.
 * @param scriptCookies a service worker's own; default: those of the page.
 * @throws RelayClientError `misuse` for a URL with a path, a pin that is not `sha256-` and 32 bytes of base64, or a
 *   `reportPinMismatch` of the relay's origin.
 */
export function openCore(
  url: string | URL,
  options: RelayClientOptions,
  scriptCookies: ScriptCookies | undefined = platform.scriptCookies,
): ClientCore {
  const origin = relayUrl(url);
  const pins = checkedPins(options.pins ?? []);
  const suite = suiteOrMisuse();
  const transport = new Transport(platform, options.fetch);
  const timeoutMs = options.pairingTimeoutMs ?? PAIRING_TIMEOUT_MS;
  const closing = new AbortController();
  const events = new Emitter();
  const report = pinReporter(origin.origin, options.reportPinMismatch, platform);
  const pairer = new Pairer(origin, platform, transport, suite, {
    pins,
    timeoutMs,
    closing: closing.signal,
    onPinMismatch(mismatch) {
      events.emit('pin-mismatch', mismatch);
      report(mismatch);
    },
  });
  // Without pins nothing is stored: an intermediary that poses as the relay must not leave anything behind.
  const keeper = pins.length > 0 ? platform.keeper : undefined;
  const identity = new ClientIdentity(origin.origin, pins, keeper);
  const cookies =
    (platform.pairingFlags & FLAG_COOKIE_RECORDS) === 0 ? undefined : new Cookies(origin, keeper, scriptCookies);
  const sessions = new Sessions(
    () => platform.alone?.(`pair ${origin.origin}`, () => pairer.pair()) ?? pairer.pair(),
    async (session, background) => {
      await identity.adopt(session);
      events.emit(background ? 'rekey' : 'pair', sessionEvent(session));
      checkOpen(); // a client that has closed meanwhile must not keep the session
    },
    (error) => events.emit('error', error),
  );
  const context: SendContext = {
    relayOrigin: origin.origin,
    suite,
    transport,
    platform,
    padToBytes: checkedPadding(options.padToBytes ?? 0),
    sessions,
    closing: closing.signal,
    async ownFields(session, { hasCredentials, sameSite, keepalive }) {
      const fields = identity.fieldsIn(session);
      if (!cookies || !hasCredentials) return { fields, records: [] };
      const namesFromScript = session.parameters.cookiesFromScript;
      const sent = await cookies.send({ sameSite, keepalive, namesFromScript });
      return { fields: [...fields, ...sent.fields], records: sent.records };
    },
    async onResponse(session, { headers }, { fields, records }) {
      if (await identity.take(session, headers, fields)) await cookies?.clear();
      await cookies?.take(headers, records);
    },
    abandoned: 0,
    onResend: ({ head }, reason) =>
      events.emit('resend', { method: head.method, url: origin.origin + head.path, reason }),
  };
  const checkOpen = (): void => closing.signal.throwIfAborted();
  return {
    origin,
    platform,
    context,
    closing: closing.signal,
    checkOpen,
    base: {
      async pair() {
        checkOpen();
        await sessions.renew();
      },
      close() {
        closing.abort(new RelayClientError('closed', 'the relay client was closed'));
        sessions.clear();
      },
      on: (event, listener) => events.on(event, listener),
    },
  };
}

function suiteOrMisuse(): ReturnType<typeof platform.makeSuite> {
  try {
    return platform.makeSuite();
  } catch (cause) {
    throw cause instanceof ProtocolError ? new RelayClientError('misuse', cause.message, { cause }) : cause;
  }
}

function sessionEvent({ parameters, pin }: Session): SessionEvent {
  const { lifetimeMs, idleMs, messageLimit } = parameters;
  return { lifetimeMs, idleMs, messageLimit, pin };
}
