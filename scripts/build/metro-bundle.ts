// Bundles an entry by the Metro of an example app, as its release build does, for any Hermes.
// Arguments: the app's folder and the entry, both from the root; the platform; the file to write; "bare" for an engine
// without the native modules that React Native's own start asks for, which is then left out.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { argv, exit } from 'node:process';

const ROOT = join(import.meta.dirname, '../..');

/** The used part of metro, which lies in the app's own package. */
interface Metro {
  loadConfig(options: { cwd: string; config: string }): Promise<{ readonly serializer: object }>;
  runBuild(config: object, options: object): Promise<{ code: string }>;
}

const [, , app, entry, platform, outfile, bare] = argv as string[];
const folder = join(ROOT, app as string);
const metro = createRequire(join(folder, 'package.json'))('metro') as Metro;
const config = await metro.loadConfig({ cwd: folder, config: join(folder, 'metro.config.cjs') });
const serializer = { ...config.serializer, ...(bare && { getModulesRunBeforeMainModule: () => [] }) };
const { code } = await metro.runBuild(
  { ...config, serializer, maxWorkers: 1, reporter: { update: () => undefined } },
  { entry: join(ROOT, entry as string), platform, dev: false, minify: false, unstable_transformProfile: 'default' },
);
writeFileSync(outfile as string, code);
console.log(`${outfile} ${code.length} characters`);
exit(0); // Metro leaves what it watches with
