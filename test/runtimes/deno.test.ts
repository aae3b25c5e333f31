// The conformance cases in Deno, which runs TypeScript as it is and finds the packages in node_modules.
import { join } from 'node:path';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn, INSTALLED } from './support/conformance.ts';

const { deno } = RUNTIMES;
const OPTIONS = ['run', '--quiet', '--no-lock', '--node-modules-dir=manual', '--allow-all'];

await conformanceIn(deno, () => byCommand(deno, join(INSTALLED, '.bin/deno'), OPTIONS, 'webcrypto'));
