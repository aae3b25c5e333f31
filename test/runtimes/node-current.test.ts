// The conformance cases in the Node that runs everything here.

import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn } from './support/conformance.ts';

const current = RUNTIMES.nodeCurrent;

await conformanceIn(current, () => byCommand(current, process.execPath, [], 'node'));
