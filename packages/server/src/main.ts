// The command `mte-relay-server start|check|identity`.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ConfigError, EXIT_CONFIG, loadIdentitySettings, loadSettings, settingsWarnings } from './config/load.ts';
import { createRelay } from './index.ts';
import { createLogger } from './observe/log.ts';
import { pinOf, relayIdentity } from './pairing/identity.ts';

const USAGE = `usage: mte-relay-server <command>

  start             run the relay; settings come from the environment
  check             read the settings, report every problem, exit
  identity          print the pin that clients trust
  identity --new    print a new random RELAY_IDENTITY_SEED and its pin

Required: UPSTREAM, CORS_ORIGINS, CLIENT_ID_SECRET (at least 32 characters).
Often set: PORT (8080), LOG_LEVEL (info), PASS_THROUGH_ROUTES, RELAY_IDENTITY_SEED.
Exit status: 0 done, 64 wrong usage, ${EXIT_CONFIG} wrong configuration, 1 anything else.
`;

const EXIT_USAGE = 64;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const command = parseCommand(args);
  if (!command) return EXIT_USAGE;
  try {
    switch (command.name) {
      case 'start':
        return await start();
      case 'check':
        return check();
      case 'identity':
        return command.fresh ? newIdentity() : printIdentity();
      default:
        process.stdout.write(USAGE);
        return 0;
    }
  } catch (error) {
    process.stderr.write(`mte-relay-server: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
}

function parseCommand(args: string[]): { name: string; fresh: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { new: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    const name = values.help ? 'help' : positionals[0];
    if (name && positionals.length <= 1 && ['start', 'check', 'identity', 'help'].includes(name)) {
      return { name, fresh: values.new === true };
    }
  } catch {
    // an unknown option: the usage says what there is
  }
  process.stderr.write(USAGE);
  return undefined;
}

async function start(): Promise<number> {
  const relay = createRelay();
  const log = createLogger(relay.settings.LOG_LEVEL);
  for (const warning of settingsWarnings(relay.settings)) log.warn(warning);
  const port = await relay.listen();
  for (const [domain, { UPSTREAM }] of relay.settings.domains) {
    log.info({ port, domain, upstream: UPSTREAM.href, pin: relay.pins.get(domain) }, 'relay is listening');
  }
  await new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info('relay is closing');
  await relay.close();
  return 0;
}

function check(): number {
  const settings = loadSettings(process.env);
  for (const warning of settingsWarnings(settings)) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write('configuration is valid\n');
  return 0;
}

function printIdentity(): number {
  const settings = loadIdentitySettings(process.env);
  const [clientIdSecret] = settings.CLIENT_ID_SECRET as [string];
  process.stdout.write(`${pinOf(relayIdentity({ seed: settings.RELAY_IDENTITY_SEED, clientIdSecret }))}\n`);
  return 0;
}

function newIdentity(): number {
  const seed = randomBytes(32);
  process.stdout.write(
    `RELAY_IDENTITY_SEED=${seed.toString('base64')}\npin ${pinOf(relayIdentity({ seed, clientIdSecret: '' }))}\n`,
  );
  return 0;
}
