// The command `mte-relay-server start|check|identity|integrity`.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { readConfiguration } from './config/configuration.ts';
import { ANY_HOST, loadIdentitySettings } from './config/load.ts';
import { ConfigError, type Environment, EXIT_CONFIG } from './config/problems.ts';
import { effectiveSettings } from './config/shown.ts';
import { readAllSources } from './config/sources.ts';
import { EXIT_MS } from './limits/fixed.ts';
import { PublicFiles } from './listen/public-files.ts';
import { pinOf, relayIdentities, relayIdentity } from './secrets/identity.ts';

const USAGE = `usage: mte-relay-server <command> [options]

  start             run the relay
  check             read the settings, report every problem, exit
  check --print     print the settings in force too, secrets masked
  identity          print the pin that clients trust; during a rotation every pin, the newest first
  identity --new    print a new random RELAY_IDENTITY_SEED and its pin
  integrity         print the integrity hashes of the scripts for web pages

Settings come from the environment, which overrides a YAML file:
  --config FILE       CONFIG_FILE: the YAML file
  --settings MODULE   SETTINGS_MODULE: a module that returns settings, for vaults; overrides both
  --sessions MODULE   SESSIONS_MODULE: a module that makes the session store
  --log MODULE        LOG_MODULE: a pino transport
  --startup MODULE    STARTUP_MODULE: a module to run before the relay listens

Required: UPSTREAM, CORS_ORIGINS, CLIENT_ID_SECRET (at least 32 characters).
Often set: PORT (8080), LOG_LEVEL (info), PASS_THROUGH_ROUTES, RELAY_IDENTITY_SEED.
Exit status: 0 done, 64 wrong usage, ${EXIT_CONFIG} wrong configuration, 1 anything else.
`;

const EXIT_USAGE = 64;

process.exitCode = await main(process.argv.slice(2));
// An operator's module that is still running must not keep the process.
setTimeout(() => process.exit(), EXIT_MS).unref();

async function main(args: string[]): Promise<number> {
  const command = parseCommand(args);
  if (!command) return EXIT_USAGE;
  try {
    switch (command.name) {
      case 'start':
        // The other commands do not load the relay, which is most of the code.
        return await (await import('./start.ts')).start(command.environment);
      case 'check':
        return await check(command.environment, command.options.print === true);
      case 'identity':
        return command.options.new ? newIdentity() : await printIdentity(command.environment);
      case 'integrity':
        return printIntegrity();
      default:
        process.stdout.write(USAGE);
        return 0;
    }
  } catch (error) {
    process.stderr.write(`mte-relay-server: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
}

interface Command {
  readonly name: string;
  readonly options: { readonly new?: boolean | undefined; readonly print?: boolean | undefined };
  /** The environment of the process, with the flags as variables. */
  readonly environment: Environment;
}

function parseCommand(args: string[]): Command | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        new: { type: 'boolean' },
        print: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        config: { type: 'string' },
        settings: { type: 'string' },
        sessions: { type: 'string' },
        log: { type: 'string' },
        startup: { type: 'string' },
      },
    });
    const name = values.help ? 'help' : positionals[0];
    if (name && positionals.length <= 1 && ['start', 'check', 'identity', 'integrity', 'help'].includes(name)) {
      const flags = {
        CONFIG_FILE: values.config,
        SETTINGS_MODULE: values.settings,
        SESSIONS_MODULE: values.sessions,
        LOG_MODULE: values.log,
        STARTUP_MODULE: values.startup,
      };
      const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
      return { name, options: values, environment: { ...process.env, ...given } };
    }
  } catch {
    // an unknown option
  }
  process.stderr.write(USAGE);
  return undefined;
}

async function check(environment: Environment, print: boolean): Promise<number> {
  const { settings, warnings } = await readConfiguration(environment);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  for (const [name, text] of print ? Object.entries(effectiveSettings(settings)) : []) {
    process.stdout.write(`${name}=${text}\n`);
  }
  process.stdout.write('configuration is valid\n');
  return 0;
}

async function printIdentity(from: Environment): Promise<number> {
  const sources = await readAllSources(from);
  for (const [host, settings] of loadIdentitySettings(sources.environment, sources)) {
    for (const identity of relayIdentities(settings)) {
      process.stdout.write(`${host === ANY_HOST ? '' : `${host} `}${pinOf(identity)}\n`);
    }
  }
  return 0;
}

/** Prints the `integrity` of script tags, one line per file; requires no settings. */
function printIntegrity(): number {
  for (const [path, hash] of Object.entries(new PublicFiles([]).integrity)) process.stdout.write(`${path} ${hash}\n`);
  return 0;
}

function newIdentity(): number {
  const seed = randomBytes(32);
  process.stdout.write(
    `RELAY_IDENTITY_SEED=${seed.toString('base64')}\npin ${pinOf(relayIdentity({ seed, clientIdSecret: '' }))}\n`,
  );
  return 0;
}
