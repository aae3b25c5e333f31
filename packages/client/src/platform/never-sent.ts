// Whether a failure of fetch shows that no byte left this machine, in runtimes that say why they failed.
import { failedToConnect } from '@mte-relay/protocol';

/** Messages of failures of lookup, connect and TLS, and of no others, where errors name no system call. */
const BEFORE_SENDING = [
  /\): client error \(Connect\)/, // Deno, in the cause
  /: Unable to connect\. Is the computer able to access the url\?$/, // Bun
];

/** True when everything in the failure says so. */
export function failedBeforeSending(failure: unknown): boolean {
  return failedToConnect(failure) || saysSo(failure) || (failure instanceof Error && saysSo(failure.cause));
}

function saysSo(failure: unknown): boolean {
  return failure instanceof Error && BEFORE_SENDING.some((pattern) => pattern.test(failure.message));
}
