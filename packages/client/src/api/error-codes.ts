// Every code of a RelayClientError: what happened, whether the request may have run, what to do. docs/errors.md is made of
// it; at run time only its names are used, as a type, so that no bundle carries the sentences.

/** Meaning by code. `mayHaveRun` is `no` when that is certain; `maybe` means that the error says it. */
export const RELAY_CLIENT_ERRORS = {
  closed: { happened: '`close()` was called', mayHaveRun: 'maybe', todo: 'make a new client' },
  misuse: {
    happened: 'an argument cannot be used; the message says which',
    mayHaveRun: 'no',
    todo: 'correct the call',
  },
  'option-unsupported': {
    happened: 'a fetch option cannot be kept inside the seal; the message names it',
    mayHaveRun: 'no',
    todo: 'leave the option out; [fetch.md](fetch.md) lists them all',
  },
  'origin-not-relayed': {
    happened: 'the URL is not of the relay’s origin; nothing was sent',
    mayHaveRun: 'no',
    todo: 'a relative URL in a page or worker is the page’s own, as with fetch: write the relay’s origin before it. Else use the platform’s fetch for it, or the other relay’s client',
  },
  unreachable: {
    happened: 'no answer came: offline, a network error, or the pairing took too long',
    mayHaveRun: 'maybe',
    todo: 'try again later; no failure disables an origin, the next call starts afresh. If it never works: in Node `cause` says why; in a browser only the console does: no relay there, the page’s origin missing in `CORS_ORIGINS`, `http:` from an `https:` page, or a Content-Security-Policy without the relay in `connect-src`',
  },
  'relay-refused': {
    happened: 'a refusal outside the seal, see `status` and `outerCode`; anybody on the way can make one',
    mayHaveRun: 'maybe',
    todo: 'try again after `retryAfterMs`, if it is there; else see the outer codes below and the relay’s log. Without an `outerCode`, a 404 above all, what answers there is hardly a relay: check the address with `mte-relay doctor`',
  },
  'pairing-failed': {
    happened: 'what answers there is no relay, or its answer to the pairing cannot be used',
    mayHaveRun: 'maybe',
    todo: 'check the address with `mte-relay doctor`; if it is right, somebody stands in between',
  },
  'pin-mismatch': {
    happened: 'the relay’s key is not a pinned one',
    mayHaveRun: 'maybe',
    todo: 'compare with `mte-relay-server identity`: update the pins, or find who stands in between',
  },
  'may-have-run': {
    happened: 'no authenticated answer to a request that is not idempotent, and no proof that it never ran',
    mayHaveRun: 'maybe',
    todo: 'look whether it ran before sending it again',
  },
  'response-unopenable': {
    happened: 'the bytes that answered were not sealed for this request',
    mayHaveRun: 'maybe',
    todo: 'somebody in between, or a box that changes bodies; look whether it ran before sending it again',
  },
  'response-truncated': {
    happened: 'the answer ended early',
    mayHaveRun: 'yes',
    todo: 'the request has reached the relay; what was read of the body is not the whole',
  },
  'redirect-refused': {
    happened: "a redirect with `redirect: 'error'`, to another origin, the twenty-first, or after a stream was sent",
    mayHaveRun: 'yes',
    todo: "take `redirect: 'manual'` and follow it yourself",
  },
  'no-service-worker': {
    happened: 'the page is not looked after by its service worker; the message says why',
    mayHaveRun: 'no',
    todo: 'do not let the page call its API',
  },
  'storage-unavailable': {
    happened: 'a service worker could not note a request that might else run twice',
    mayHaveRun: 'no',
    todo: 'free storage, or allow it',
  },
  'websocket-refused': {
    happened: 'the API, or the relay for it, answered the upgrade otherwise; the message says how',
    mayHaveRun: 'yes',
    todo: 'as with any refused WebSocket',
  },
  'websocket-broken': {
    happened: 'what came was not the next sealed frame, or a message of more than 64 MiB',
    mayHaveRun: 'maybe',
    todo: 'the message says which; if somebody stands in between, connect again: what was last sent may be lost',
  },
  'event-stream-refused': {
    happened: 'the answer is no event stream, says not to come again, or has an event of more than 64 Mi characters',
    mayHaveRun: 'yes',
    todo: 'as with any EventSource that failed',
  },
} as const;

/** Why a call failed; docs/errors.md says of each what happened and what to do. */
export type RelayClientErrorCode = keyof typeof RELAY_CLIENT_ERRORS;
