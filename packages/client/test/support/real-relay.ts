// The client against the real relay in front of a real backend, both over sockets, ended with the test.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRelayClient, type RelayClient } from '@mte-relay/client';
import { createRelay, type Relay } from '@mte-relay/server';
import { onTestFinished } from 'vitest';

export type Backend = (request: IncomingMessage, response: ServerResponse) => void;

async function backendOf(backend: Backend): Promise<string> {
  const server = createServer(backend);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function relayFor(upstream: string): Relay {
  return createRelay({
    environment: {
      UPSTREAM: upstream,
      CORS_ORIGINS: 'http://localhost:1',
      CLIENT_ID_SECRET: 'kJ8m2QwX0zTgVn5rB7cYhL4pD9sFeA1u',
      LOG_LEVEL: 'off',
      SHUTDOWN_TIMEOUT_MS: '0',
    },
  });
}

/** A backend, a relay in front of it, and a pinned client. */
export async function setUpRelay(
  backend: Backend,
): Promise<{ url: string; client: RelayClient; upstream: string; relay: Relay }> {
  const upstream = await backendOf(backend);
  const relay = relayFor(upstream);
  const url = `http://127.0.0.1:${await relay.listen(0)}`;
  const client = createRelayClient(url, { pins: [relay.pin] });
  onTestFinished(async () => {
    client.close();
    await relay.close();
  });
  return { url, client, upstream, relay };
}

/** The whole body of a request. */
export async function read(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}
