// Whether a failure of fetch shows that no byte left this machine, in runtimes that say why they failed.
import { failedToConnect } from '@mte-relay/protocol';

/** Deno gives no code: this stands in the message of a failure of lookup, connect or TLS, and in no other. */
const DENO_BEFORE_SENDING = /\): client error \(Connect\)/;

/** True when everything in the failure says so. */
export function failedBeforeSending(failure: unknown): boolean {
  return failedToConnect(failure) || (failure instanceof Error && DENO_BEFORE_SENDING.test(failure.message));
}
