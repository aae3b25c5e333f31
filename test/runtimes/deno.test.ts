// The conformance cases in Deno, and WebSocket and EventSource, which runs TypeScript as it is and finds the packages in node_modules.
import { join } from 'node:path';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn } from './support/conformance.ts';
import { INSTALLED } from './support/installed.ts';
import { realtimeByCommand, realtimeTests } from './support/realtime.ts';

const { deno } = RUNTIMES;
const COMMAND = join(INSTALLED, '.bin/deno');
const OPTIONS = ['run', '--quiet', '--no-lock', '--node-modules-dir=manual', '--allow-all'];

await conformanceIn(deno, () => byCommand(deno, COMMAND, OPTIONS, 'webcrypto'));
realtimeTests(deno.name, await realtimeByCommand(COMMAND, OPTIONS));
