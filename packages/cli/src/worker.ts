// `mte-relay worker`: prints the script of the service worker with relay, pins and routes fixed in its first line, for a
// web server that is not the relay.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PIN, workerConfigurationLine } from '@mte-relay/protocol';
import { UsageError } from './exit.ts';

const WORKER_HELP = `mte-relay worker --relay URL --pin PIN --route ROUTE > mte-relay-sw.js

Prints the service worker for pages of another origin than the relay's. Serve it at /mte-relay-sw.js of the page's origin.

  --relay URL      the relay's origin, https://host[:port]
  --pin PIN        trusts this key of the relay (sha256-...); may be repeated
  --route ROUTE    path to seal, such as '/api/*', on the page's origin and on the relay's, or an absolute URL; may be
                   repeated
  --help           this text
`;

/** Runs the subcommand; resolves with the exit code. Throws UsageError. */
export function runWorker(args: readonly string[]): number {
  const { relay, pin = [], route = [], help } = parse(args);
  if (help) {
    process.stdout.write(WORKER_HELP);
    return 0;
  }
  if (relay === undefined || URL.parse(relay)?.origin !== relay.replace(/\/$/, '')) {
    throw usage(`--relay expected https://host[:port]${relay === undefined ? ', it is missing' : ''}`);
  }
  if (pin.length === 0) throw usage('--pin is missing: npx mte-relay-server identity prints it');
  for (const one of pin) if (!PIN.test(one)) throw usage(`--pin expected sha256- and 44 characters, got "${one}"`);
  if (route.length === 0) throw usage('--route is missing');
  for (const one of route) {
    if (!/^(?:https?:\/\/[^/?#]+)?\/(?!\/)[^?#*\s]*\*?$/.test(one)) {
      throw usage(`--route expected a path, or an absolute URL with one, with at most one * at its end; got "${one}"`);
    }
  }
  const script = new URL('./mte-relay-sw.js', import.meta.resolve('@mte-relay/client'));
  const configuration = { relay: new URL(relay).origin, pins: pin, routes: route };
  process.stdout.write(workerConfigurationLine(configuration) + readFileSync(script, 'utf8'));
  return 0;
}

// Its type is derived from the table of options.
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        relay: { type: 'string' },
        pin: { type: 'string', multiple: true },
        route: { type: 'string', multiple: true },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function usage(message: string): UsageError {
  return new UsageError(message, WORKER_HELP);
}
