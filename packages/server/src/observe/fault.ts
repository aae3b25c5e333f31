// An error for the log: its name, its code and its stack frames. Never its message: parsers and HTTP libraries quote
// their input in messages, which may be a decoded header value or part of a body.

import { CAUSES_MAX, FRAMES_MAX } from '../limits/fixed.ts';

/** An error without its message. */
export interface Fault {
  readonly name: string;
  readonly code?: string;
  /** Stack frames, innermost first. */
  readonly at?: readonly string[];
  readonly cause?: Fault;
}

const WORD = /^[A-Za-z0-9_.-]{1,64}$/;
const FRAME = /^ {4}at (?:async )?[^\n]{0,300}:\d+:\d+\)?$/;

/** The fault of anything that was thrown. */
export function faultOf(error: unknown, depth = 0): Fault {
  if (!(error instanceof Error)) return { name: `a thrown ${typeof error}` };
  const { code } = error as { code?: unknown };
  const at = framesOf(error);
  return {
    name: WORD.test(error.name) ? error.name : 'Error',
    ...(typeof code === 'string' && WORD.test(code) ? { code } : {}),
    ...(at.length > 0 ? { at } : {}),
    ...(error.cause instanceof Error && depth < CAUSES_MAX ? { cause: faultOf(error.cause, depth + 1) } : {}),
  };
}

/** A stack begins with the message, which may have many lines, even some that look like frames. */
function framesOf({ stack, message }: Error): string[] {
  if (typeof stack !== 'string') return [];
  const messageAt = message === '' ? 0 : stack.indexOf(message);
  if (messageAt < 0) return [];
  return stack
    .slice(messageAt + message.length)
    .split('\n')
    .filter((line) => FRAME.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim());
}
