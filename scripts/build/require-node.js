// Refuses a Node that is too old before anything else can fail obscurely. Plain JavaScript without syntax newer than
// what an old Node reads; npm scripts normally run the Node that `npm ci` installed, which passes.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const { engines } = JSON.parse(readFileSync(new URL('../../packages/server/package.json', import.meta.url), 'utf8'));
const [neededMajor, neededMinor] = engines.node.replace('>=', '').split('.').map(Number);
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(
    `This is Node ${process.versions.node} (${process.execPath}); MTE Relay needs ${engines.node}.\n` +
      'Run `npm ci` and start through npm (`npm test`, `npm run demo`): npm then uses the Node it installed here,\n' +
      'node_modules/.bin/node. With --ignore-scripts that Node is not set up.\n',
  );
  process.exit(1);
}
