// The log of `mte-relay egress`: JSON lines on standard error, with the relay's level names. It never contains paths,
// fields and bodies, which the seal protects.

/** Most verbose first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'panic', 'off'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes one line, when the level is on. */
export type Log = (level: Exclude<LogLevel, 'off'>, msg: string, facts?: Readonly<Record<string, unknown>>) => void;

export function createLog(threshold: LogLevel): Log {
  // The reader may close the pipe, such as `grep -m1 ready`. Requests then continue.
  for (const output of [process.stderr, process.stdout]) output.on('error', () => undefined);
  const least = LOG_LEVELS.indexOf(threshold);
  return (level, msg, facts) => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    process.stderr.write(`${JSON.stringify({ level, time: new Date().toISOString(), ...facts, msg })}\n`);
  };
}
