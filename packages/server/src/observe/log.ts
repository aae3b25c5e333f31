// The relay's log: JSON lines by pino, with the level names of LOG_LEVEL.
import { pathToFileURL } from 'node:url';
import { type Logger, type LoggerOptions, pino } from 'pino';
import { resolveModule } from '../config/modules.ts';
import type { Settings } from '../config/settings.ts';
import { LOG_WAITING_MAX_BYTES } from '../limits/fixed.ts';

export type { Logger } from 'pino';

const PINO_LEVEL: Record<Settings['LOG_LEVEL'], string> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  panic: 'fatal',
  off: 'silent',
};

const STANDARD_OUTPUT = 1;

/** A logger to standard output, or to a pino transport (LOG_MODULE), which runs in a thread of its own. */
export function createLogger(level: Settings['LOG_LEVEL'], module?: string, fd: number = STANDARD_OUTPUT): Logger {
  const options: LoggerOptions = {
    level: PINO_LEVEL[level],
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label === 'warn' ? 'warning' : label === 'fatal' ? 'panic' : label }) },
  };
  if (!module) return boundedLogger(options, fd);
  const transport = pino.transport({ target: pathToFileURL(resolveModule(module)).href });
  // A failed log must not end the relay, and cannot log its own failure.
  transport.on('error', (error: Error) =>
    process.stderr.write(`mte-relay-server: LOG_MODULE failed: ${error.message}\n`),
  );
  return pino(options, transport);
}

/**
 * Writes lines asynchronously, so that a slow reader does not block the relay. With a `minLength` that every line has,
 * `flush` waits for the line that is being written; otherwise the last lines would overtake it when the process exits.
 */
function boundedLogger(options: LoggerOptions, fd: number): Logger {
  const output = pino.destination({ dest: fd, sync: false, minLength: 1, maxLength: LOG_WAITING_MAX_BYTES });
  const log = pino(options, output);
  let dropped = 0;
  output.on('drop', () => {
    dropped += 1;
  });
  output.on('drain', () => {
    if (dropped === 0) return;
    log.error({ lines: dropped }, 'log lines dropped: the reader is too slow');
    dropped = 0;
  });
  return log;
}

/** A session's id in logs: enough to distinguish sessions, too little to use one. */
export function shortSession(sid: Uint8Array): string {
  return Buffer.from(sid.buffer, sid.byteOffset, 4).toString('hex');
}
