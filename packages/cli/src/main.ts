// The command `mte-relay`: picks the subcommand and sets the exit code.
import { readFileSync } from 'node:fs';
import { runDoctor } from './doctor.ts';
import { EGRESS_HELP } from './egress/options.ts';
import { runEgress } from './egress.ts';
import { EXIT_USAGE, exitOf, UsageError } from './exit.ts';
import { FETCH_HELP, runFetch } from './fetch.ts';
import { runWorker } from './worker.ts';

const HELP = `mte-relay <command>

  fetch URL    send one request sealed through the relay at URL's origin
  egress       listen on a local plain HTTP port and seal its requests toward a relay
  doctor URL   test a deployment from outside and report what is wrong
  worker       print the service worker for pages of another origin than the relay's

  --help       this text; after a command, its options
  --version    the version

Exit codes: 0 response received, or stopped by a signal; 22 status 400 or more, with --fail; 7 relay unreachable; 60 key
does not match the pin; 64 wrong usage; 1 anything else. Of doctor: 2 warnings; 3 a check failed.
`;

function main(args: readonly string[]): number | Promise<number> {
  const [command, ...rest] = args;
  if (command === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (command === '--help' || command === '-h') {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === 'fetch') return runFetch(rest);
  if (command === 'egress') return runEgress(rest);
  if (command === 'doctor') return runDoctor(rest);
  if (command === 'worker') return runWorker(rest);
  throw new UsageError(command === undefined ? 'a command is missing' : `unknown command "${command}"`, HELP);
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = exitOf(error);
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`mte-relay: ${message}\n`);
  if (process.exitCode === EXIT_USAGE) {
    const help = process.argv[2] === 'egress' ? EGRESS_HELP : FETCH_HELP;
    process.stderr.write(`\n${error instanceof UsageError ? error.help : help}`);
  }
}
