// The client: fetch's life of a call, in order: 1 take the arguments apart, 2 send sealed until answered (retry.ts,
// exchange.ts), 3 follow redirects, 4 hand out a Response.
import { ProtocolError } from '@mte-relay/protocol';
import { platform } from '#platform';
import { RelayClientError } from './errors.ts';
import { takeForward, toForwardAnswer } from './forward.ts';
import { ClientIdentity, refusesIdentity } from './identity.ts';
import type { RelayClient, RelayClientEvents, RelayClientOptions, RelayRequestInit, SessionEvent } from './options.ts';
import { Pairer } from './pairing.ts';
import { type Hop, nextHop } from './redirect.ts';
import { takeCall } from './request.ts';
import { toResponse } from './response.ts';
import { type SendContext, send } from './retry.ts';
import { type Session, Sessions } from './session.ts';
import { Transport } from './transport.ts';

const PIN = /^sha256-[A-Za-z0-9+/]{43}=$/;
const PAIRING_TIMEOUT_MS = 15_000;

/**
 * A client for one relay. Nothing is sent before the first call or {@link RelayClient.pair}.
 * @param url the relay's origin, `https://host[:port]`.
 * @throws RelayClientError `misuse` for a URL with a path, or a pin that is not `sha256-` and 32 bytes of base64.
 */
export function createRelayClient(url: string | URL, options: RelayClientOptions = {}): RelayClient {
  const origin = relayUrl(url);
  const pins = checkedPins(options.pins ?? []);
  const suite = suiteOrMisuse();
  const transport = new Transport(platform, options.fetch);
  const timeoutMs = options.pairingTimeoutMs ?? PAIRING_TIMEOUT_MS;
  const pairer = new Pairer(origin, platform, transport, suite, { pins, timeoutMs });
  const events = new Emitter();
  const identity = new ClientIdentity(origin.origin, platform);
  const sessions = new Sessions(
    () => pairer.pair(),
    (session, background) => {
      identity.adopt(session.parameters.clientId);
      events.emit(background ? 'rekey' : 'pair', sessionEvent(session));
    },
    (error) => events.emit('error', error),
  );
  const context: SendContext = {
    relayOrigin: origin.origin,
    suite,
    transport,
    streamsUploads: platform.streamsUploads,
    sessions,
    fieldsFor: (session) => identity.fieldsIn(session.parameters.clientId),
    onAnswer(session, { headers }) {
      if (refusesIdentity(headers)) identity.replace(session.parameters.clientId);
    },
    onResend: ({ head }, reason) =>
      events.emit('resend', { method: head.method, url: origin.origin + head.path, reason }),
  };
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new RelayClientError('closed', 'the relay client was closed');
  };

  return {
    async fetch(input, init) {
      checkOpen();
      return await relayFetch(context, input, init);
    },
    async forward(request) {
      checkOpen();
      request.signal?.throwIfAborted();
      return toForwardAnswer(await send(context, takeForward(origin, request), request.signal));
    },
    async pair() {
      checkOpen();
      await sessions.renew();
    },
    close() {
      closed = true;
      pairer.close();
      sessions.clear();
    },
    on: (event, listener) => events.on(event, listener),
  };
}

async function relayFetch(
  context: SendContext,
  input: string | URL | Request,
  init: RelayRequestInit | undefined,
): Promise<Response> {
  const { relayOrigin } = context;
  const { url, request, redirect, signal } = await takeCall(platform, relayOrigin, input, init);
  let hop: Hop = { url, request, redirects: 0 };
  for (;;) {
    const answer = await send(context, hop.request, signal);
    let next: Hop | undefined;
    try {
      next = nextHop(hop, answer.head, redirect, relayOrigin);
    } catch (error) {
      answer.cancel(error);
      throw error;
    }
    if (!next) {
      return toResponse(answer, {
        method: hop.request.head.method,
        url: hop.url.href.replace(/#.*/, ''),
        redirected: hop.redirects > 0,
        onDownloadProgress: init?.onDownloadProgress,
      });
    }
    await answer.skip();
    hop = next;
  }
}

function relayUrl(url: string | URL): URL {
  const parsed = URL.canParse(`${url}`) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.pathname !== '/' || parsed.search || parsed.username) {
    throw new RelayClientError('misuse', `relay URL expected https://host[:port], got "${url}"`);
  }
  return parsed;
}

function checkedPins(pins: readonly string[]): readonly string[] {
  for (const pin of pins) {
    if (!PIN.test(pin)) throw new RelayClientError('misuse', `pin expected sha256- and 44 characters, got "${pin}"`);
  }
  return pins;
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

/** Typed events; a listener's own failure is reported and stops nothing. */
class Emitter {
  readonly #listeners = new Map<keyof RelayClientEvents, Set<(value: never) => void>>();

  on<E extends keyof RelayClientEvents>(event: E, listener: (value: RelayClientEvents[E]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => set.delete(listener);
  }

  emit<E extends keyof RelayClientEvents>(event: E, value: RelayClientEvents[E]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        listener(value as never);
      } catch (error) {
        console.error('mte-relay: a listener failed', error);
      }
    }
  }
}
