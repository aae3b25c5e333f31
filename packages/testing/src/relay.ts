// A real relay in this process.
import { createRelay, type Relay, type RelayOptions } from '@mte-relay/server';
import { type Environment, requiredSettings } from './settings.ts';

/**
 * A relay that logs nothing, opens no admin port, ends within 100 ms and limits no pairings, unless the environment says
 * so. It does not listen yet.
 */
export function relayTo(
  upstreamUrl: string,
  environment: Environment = {},
  parts: Omit<RelayOptions, 'environment'> = {},
): Relay {
  return createRelay({
    environment: {
      ...requiredSettings(upstreamUrl),
      LOG_LEVEL: 'off',
      ADMIN_PORT: 'off',
      SHUTDOWN_TIMEOUT_MS: '100',
      PAIRINGS_BURST: '1000000',
      ...environment,
    },
    ...parts,
  });
}
