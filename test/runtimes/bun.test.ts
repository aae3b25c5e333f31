// The conformance cases in Bun, and WebSocket and EventSource, which runs TypeScript as it is and finds the packages in node_modules.
import { join } from 'node:path';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn } from './support/conformance.ts';
import { INSTALLED } from './support/installed.ts';
import { realtimeByCommand, realtimeTests } from './support/realtime.ts';

const { bun } = RUNTIMES;

const COMMAND = join(INSTALLED, '.bin/bun');

await conformanceIn(bun, () => byCommand(bun, COMMAND, ['run'], 'webcrypto'));
realtimeTests(bun.name, await realtimeByCommand(COMMAND, ['run']));
