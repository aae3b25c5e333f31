// A sample API for trying the relay out: it answers every request with what it saw, and knows nothing of the relay.
import { createServer } from 'node:http';

const server = createServer(async (req, res) => {
  const pieces = [];
  for await (const piece of req) pieces.push(piece);
  const { method, url: path } = req;
  const body = Buffer.concat(pieces).toString();
  res.setHeader('content-type', 'application/json');
  res.end(JSON.stringify(path === '/health' ? { healthy: true } : { method, path, body }));
});
server.listen(Number(process.env['PORT'] || 3000));
// As process 1 it has to ask for the signal that ends it.
process.once('SIGTERM', () => server.close());
