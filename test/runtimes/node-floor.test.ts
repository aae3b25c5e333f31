// The conformance cases in the oldest Node that the packages support.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RUNTIMES } from '../../conformance/runtimes.ts';
import { byCommand, conformanceIn, ROOT } from './support/conformance.ts';
import { INSTALLED } from './support/installed.ts';

const floor = RUNTIMES.nodeFloor;

test.each(['protocol', 'client', 'cli', 'server'])('it is the oldest one that %s asks for', (name) => {
  const manifest = readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8');
  const { engines } = JSON.parse(manifest) as { engines: { node: string } };
  expect(floor.name).toBe(`Node ${engines.node.replace('>=', '')}.0`);
});

await conformanceIn(floor, () => byCommand(floor, join(INSTALLED, 'node-floor/bin/node'), [], 'node'));
