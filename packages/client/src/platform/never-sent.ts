// Whether a failure of fetch shows that no byte left this machine, in runtimes that report the reason.
import { failedToConnect } from '@mte-relay/protocol';

/** Messages that only failures of lookup, connect and TLS have, in runtimes whose errors do not name a system call. */
const BEFORE_SENDING = [
  /\): client error \(Connect\)/, // Deno, in the cause
  /: Unable to connect\. Is the computer able to access the url\?$/, // Bun
];

/** True when the failure shows it. */
export function failedBeforeSending(failure: unknown): boolean {
  return failedToConnect(failure) || showsIt(failure) || (failure instanceof Error && showsIt(failure.cause));
}

function showsIt(failure: unknown): boolean {
  return failure instanceof Error && BEFORE_SENDING.some((pattern) => pattern.test(failure.message));
}
