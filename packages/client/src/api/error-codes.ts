// Every code of a RelayClientError: what happened, whether the request may have run, what to do. docs/errors.md is
// generated from this table. The code uses only its keys, as a type, so bundles do not carry the sentences.

/** Meaning by code. `mayHaveRun` is `no` when that is certain; for `maybe`, see the error's own `mayHaveRun`. */
export const RELAY_CLIENT_ERRORS = {
  closed: {
    happened: '`close()` was called: calls in progress and bodies that were not read to their end fail too',
    mayHaveRun: 'maybe',
    todo: 'make a new client',
  },
  misuse: {
    happened: 'an argument cannot be used; the message names it',
    mayHaveRun: 'no',
    todo: 'correct the call',
  },
  'option-unsupported': {
    happened: 'a fetch option cannot be sealed; the message names it',
    mayHaveRun: 'no',
    todo: 'leave the option out; [fetch.md](fetch.md) lists them all',
  },
  'origin-not-relayed': {
    happened: 'the URL is not of the relay’s origin; the client sent nothing',
    mayHaveRun: 'no',
    todo: 'prefix a relative URL with the relay’s origin: in a page or worker it resolves against the page, as with fetch. For another origin, use the platform’s fetch or that relay’s client',
  },
  unreachable: {
    happened: 'no response arrived: offline, a network error, or the pairing timed out',
    mayHaveRun: 'maybe',
    todo: 'retry later; a failure does not disable the origin. If every call fails, find the reason in `cause` (Node) or in the console (browser). Usual reasons: the address has no relay, `CORS_ORIGINS` lacks the page’s origin, an `https:` page calls `http:`, or the Content-Security-Policy lacks the relay in `connect-src`',
  },
  'relay-refused': {
    happened: 'a refusal outside the seal, see `status` and `outerCode`; any intermediary can forge one',
    mayHaveRun: 'maybe',
    todo: 'retry after `retryAfterMs` if it is set; otherwise see the outer codes below and the relay’s log. A response without an `outerCode`, in particular a 404, is probably not from a relay: check the address with `mte-relay doctor`',
  },
  'pairing-failed': {
    happened: 'the server at the address is not a relay, or its pairing response is invalid',
    mayHaveRun: 'maybe',
    todo: 'check the address with `mte-relay doctor`; if it is right, an intermediary changes the traffic',
  },
  'pin-mismatch': {
    happened: 'the relay’s key does not match a pin',
    mayHaveRun: 'maybe',
    todo: 'compare with `mte-relay-server identity`: update the pins, or find the intermediary that shows another key. The option `reportPinMismatch` reports it to you',
  },
  'may-have-run': {
    happened:
      'a request whose method is not safe has no authenticated response, and the client cannot prove that it never ran',
    mayHaveRun: 'maybe',
    todo: 'check whether it ran before you send it again',
  },
  'response-unopenable': {
    happened: 'the response was not sealed for this request',
    mayHaveRun: 'maybe',
    todo: 'find the intermediary that changes bodies; check whether the request ran before you send it again',
  },
  'response-truncated': {
    happened: 'the connection closed before the response was complete',
    mayHaveRun: 'yes',
    todo: 'discard the part of the body that was read; the request has reached the relay',
  },
  'redirect-refused': {
    happened: "a redirect with `redirect: 'error'`, to another origin, the twenty-first, or after a stream was sent",
    mayHaveRun: 'yes',
    todo: "use `redirect: 'manual'` and follow it yourself",
  },
  'no-service-worker': {
    happened: 'the service worker does not control the page; the message gives the reason',
    mayHaveRun: 'no',
    todo: 'do not let the page call its API',
  },
  'initiator-refused': {
    happened: 'a page of another site, or one that does not show its origin, posted a form to a listed route',
    mayHaveRun: 'no',
    todo: 'if the page is your own, do not let its `Referrer-Policy` be `no-referrer`; otherwise somebody tries to act as your user',
  },
  'storage-unavailable': {
    happened: 'the service worker could not record a request, which might then run twice',
    mayHaveRun: 'no',
    todo: 'free storage, or allow the site to store data',
  },
  'websocket-refused': {
    happened: 'the API, or the relay for it, did not accept the upgrade; the message gives the status',
    mayHaveRun: 'yes',
    todo: 'handle it as any refused WebSocket',
  },
  'websocket-broken': {
    happened: 'the data received was not the next sealed frame, or a message exceeded 64 MiB',
    mayHaveRun: 'maybe',
    todo: 'see the message for which; reconnect. The last messages sent may be lost',
  },
  'event-stream-refused': {
    happened:
      'the response is not an event stream, forbids reconnecting, or has an event of more than 64 Mi characters',
    mayHaveRun: 'yes',
    todo: 'handle it as any EventSource that failed',
  },
} as const;

/** Why a call failed. docs/errors.md describes each code and what to do. */
export type RelayClientErrorCode = keyof typeof RELAY_CLIENT_ERRORS;
