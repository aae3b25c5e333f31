// Exit codes: those of curl where curl has one, that of sysexits for wrong usage.
import { RelayClientError } from '@mte-relay/client';

const EXIT_OTHER = 1;
export const EXIT_UNREACHABLE = 7; // curl: failed to connect
export const EXIT_HTTP_ERROR = 22; // curl: --fail and status 400 or more
export const EXIT_PIN_MISMATCH = 60; // curl: the peer cannot be authenticated
export const EXIT_USAGE = 64; // sysexits: EX_USAGE

/** Wrong usage of the command. */
export class UsageError extends Error {
  readonly help: string;

  constructor(message: string, help: string, options?: ErrorOptions) {
    super(message, options);
    this.help = help;
  }
}

/** The exit code for the error that ended the command. */
export function exitOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (!(error instanceof RelayClientError)) return EXIT_OTHER;
  switch (error.code) {
    case 'unreachable':
      return EXIT_UNREACHABLE;
    case 'pin-mismatch':
      return EXIT_PIN_MISMATCH;
    case 'misuse':
    case 'origin-not-relayed':
      return EXIT_USAGE;
    default:
      return EXIT_OTHER;
  }
}
