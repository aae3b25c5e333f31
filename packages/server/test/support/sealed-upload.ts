// A sealed POST that a test sends and reads chunk by chunk.
import { request } from 'node:http';
import { type Bytes, MESSAGE_TYPE_EXCHANGE, SealedExchange } from '@mte-relay/protocol';
import { nodeSuite } from '@mte-relay/protocol/node';
import type { SealedClient } from '@mte-relay/testing/sealed-client';

/** An open sealed POST whose chunks the test writes and whose response it reads one by one. */
export async function openUpload(client: SealedClient): Promise<{
  exchange: SealedExchange;
  req: ReturnType<typeof request>;
  response: Promise<AsyncGenerator<Bytes>>;
}> {
  const exchange = await SealedExchange.begin(nodeSuite(), client.keys, MESSAGE_TYPE_EXCHANGE, client.nextN++);
  const req = request({
    port: client.port,
    host: '127.0.0.1',
    path: '/api/mte',
    method: 'POST',
    headers: { 'content-type': 'application/mte-relay' },
  });
  const response = new Promise<AsyncGenerator<Bytes>>((resolve, reject) => {
    req.on('response', (res) => resolve(exchange.openResponse(res as AsyncIterable<Bytes>)));
    req.on('error', reject);
  });
  response.catch(() => {}); // a test that breaks the request off does not ask for it
  req.write(exchange.header);
  return { exchange, req, response };
}
