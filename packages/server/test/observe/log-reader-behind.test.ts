// A reader of the log that hangs: the relay goes on, buffers a bounded number of lines, and counts those dropped.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { temporaryFiles } from '@mte-relay/testing/temporary-files';
import { expect, onTestFinished, test } from 'vitest';
import { LOG_WAITING_MAX_BYTES } from '../../src/limits/fixed.ts';
import { createLogger } from '../../src/observe/log.ts';

const LINE_BYTES = 100_000;
const LINES = 2 * Math.ceil(LOG_WAITING_MAX_BYTES / LINE_BYTES);

test('unread lines are bounded, and the next reader learns how many are missing', async () => {
  const pipe = join(temporaryFiles(), 'log');
  execFileSync('mkfifo', [pipe]);
  const fd = openSync(pipe, 'r+'); // or it would wait for a reader
  const log = createLogger('info', undefined, fd);
  const text = 'x'.repeat(LINE_BYTES);
  for (let at = 0; at < LINES; at += 1) log.info({ at }, text);

  const reader = new Socket({ fd: openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK), readable: true });
  onTestFinished(() => {
    reader.destroy();
    closeSync(fd);
  });
  let read = '';
  for await (const piece of reader) {
    read += piece;
    if (read.endsWith('too slow"}\n')) break;
  }
  const lines = read
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { at?: number; lines?: number });
  const taken = lines.flatMap(({ at }) => at ?? []);
  expect(taken).toEqual(taken.map((_, at) => at)); // the first ones, in order
  expect(taken.length * LINE_BYTES).toBeLessThanOrEqual(LOG_WAITING_MAX_BYTES);
  expect(lines.at(-1)).toMatchObject({ level: 'error', lines: LINES - taken.length });
});
