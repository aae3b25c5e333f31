// A real upstream and a real relay in front of it, on free ports, closed after each test.
import type { Server } from 'node:http';
import type { Relay, RelayOptions } from '@mte-relay/server';
import { Backend, type SeenRequest } from './backend.ts';
import { contentOf } from './content.ts';
import { relayTo } from './relay.ts';
import { SealedClient } from './sealed-client.ts';
import { type Responder, urlOf } from './servers.ts';
import type { Environment } from './settings.ts';
import { endsWithTest } from './test-end.ts';

export interface Stage {
  readonly relay: Relay;
  readonly port: number;
  /** Of the relay. */
  readonly url: string;
  readonly pin: string;
  readonly upstream: Server;
  readonly upstreamPort: number;
  readonly upstreamUrl: string;
  /** Requests as the upstream saw them, in order. */
  readonly seen: SeenRequest[];
}

/** Parts of the relay besides its environment. */
export interface StageOptions extends Omit<RelayOptions, 'environment'> {
  /** Over the settings of {@link relayTo}. */
  readonly environment?: Environment;
  /** The upstream's, before every path. */
  readonly basePath?: string;
}

/** Responds with the request, as JSON. */
const describeRequest: Responder = async (req, res) => {
  const body = await contentOf(req);
  res.setHeader('content-type', 'application/json');
  res.end(JSON.stringify({ method: req.method, url: req.url, body: body.toString('latin1') }));
};

/** @param respond what the upstream does; default: responds with the request, as JSON */
export async function stage(
  respond: Responder = describeRequest,
  { environment, basePath = '', ...parts }: StageOptions = {},
): Promise<Stage> {
  const backend = endsWithTest(await new Backend(respond).start());
  const relay = endsWithTest(relayTo(backend.url + basePath, environment, parts));
  const port = await relay.listen(0);
  return {
    relay,
    port,
    url: urlOf(port),
    pin: relay.pin,
    upstream: backend.server,
    upstreamPort: backend.port,
    upstreamUrl: backend.url,
    seen: backend.seen,
  };
}

/** A bare client that has paired with a relay in front of this upstream; the relay is closed with the test. */
export async function pairedTo(upstreamUrl: string, environment: Environment = {}): Promise<SealedClient> {
  return SealedClient.pair(await endsWithTest(relayTo(upstreamUrl, environment)).listen(0));
}
