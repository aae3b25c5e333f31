// `npm run bench:micro`: what the parts of an exchange cost by themselves, on one core. A pattern as argument picks
// some: `npm run bench:micro -- bhttp`.
import { run } from 'mitata';
import { megabytesPerSecondLines } from './throughput.ts';
import './aead.ts';
import './key-derivation.ts';
import './pairing.ts';
import './bhttp.ts';
import './exchange.ts';
import './chunks.ts';

const pattern = process.argv[2];
const { benchmarks } = await run(pattern ? { filter: new RegExp(pattern) } : {});
console.log(megabytesPerSecondLines(benchmarks).join('\n'));
