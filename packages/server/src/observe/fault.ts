// What the log says of an error: its kind, its code and where it happened. Never its message: those of parsers and of
// HTTP libraries quote what they met, and that may be a decoded header value or part of a body.

import { CAUSES_MAX, FRAMES_MAX } from '../limits/fixed.ts';

/** An error as it may be logged. */
export interface Fault {
  readonly name: string;
  readonly code?: string;
  /** Stack frames, innermost first. */
  readonly at?: readonly string[];
  readonly cause?: Fault;
}

const WORD = /^[A-Za-z0-9_.-]{1,64}$/;
const FRAME = /^ {4}at (?:async )?[^\n]{0,300}:\d+:\d+\)?$/;

/** Describes an error, whatever was thrown. */
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

/** A stack begins with the message, which may have any number of lines, also such that look like frames. */
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
