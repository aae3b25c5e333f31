// The relay's log: JSON lines by pino, with the level names of LOG_LEVEL.
import { type Logger, pino } from 'pino';
import type { Settings } from '../config/settings.ts';

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

/** A logger to standard output. */
export function createLogger(level: Settings['LOG_LEVEL']): Logger {
  return pino({
    level: PINO_LEVEL[level],
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label === 'warn' ? 'warning' : label === 'fatal' ? 'panic' : label }) },
  });
}

/** A session's name in logs: enough to tell sessions apart, too little to be used. */
export function shortSession(sid: Uint8Array): string {
  return Buffer.from(sid.buffer, sid.byteOffset, 4).toString('hex');
}
