// The conformance cases in Bun, which runs TypeScript as it is and finds the packages in node_modules.
import { join } from 'node:path';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn, INSTALLED } from './support/conformance.ts';

const { bun } = RUNTIMES;

await conformanceIn(bun, () => byCommand(bun, join(INSTALLED, '.bin/bun'), ['run'], 'webcrypto'));
