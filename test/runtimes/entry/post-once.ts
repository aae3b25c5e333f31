// A client that sends a GET to the relay of its arguments (URL, pin), then a POST, and prints its outcome.
import { createRelayClient, type RelayClientError } from '@mte-relay/client';

const [url, pin] = process.argv.slice(2) as [string, string];
/** Until a connection that the relay closed behind the GET is seen to be closed. */
const PAUSE_MS = 200;

const client = createRelayClient(url, { pins: [pin] });
await (await client.fetch('/')).text();
await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
const outcome = await client.fetch('/pay', { method: 'POST', body: 'amount=1' }).then(
  ({ status }) => `${status}`,
  ({ code, mayHaveRun }: RelayClientError) => `${code} ${mayHaveRun}`,
);
console.log(outcome);
client.close();
