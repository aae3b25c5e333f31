// A log adapter: a pino transport, run by pino in a thread of its own. This one appends the lines of warnings and worse
// to a file; one that posts them to a collector has the same shape.
//   ALERTS_FILE=/var/log/mte-relay.alerts mte-relay-server start --log ./transport.js
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';

const ALARMING = new Set(['warning', 'error', 'panic']);

// biome-ignore lint/style/noDefaultExport: pino calls a module's default export
export default function transport() {
  const lines = new PassThrough();
  const file = createWriteStream(process.env.ALERTS_FILE ?? 'mte-relay.alerts', { flags: 'a' });
  const reader = createInterface({ input: lines });
  reader.on('line', (line) => {
    process.stdout.write(`${line}\n`);
    if (ALARMING.has(JSON.parse(line).level)) file.write(`${line}\n`);
  });
  reader.on('close', () => file.end());
  return lines;
}
