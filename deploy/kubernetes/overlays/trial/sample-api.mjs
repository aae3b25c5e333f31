// A sample API for the trial: it responds to every request with what it received, and does not know of the relay.
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
// Process 1 ignores SIGTERM without a handler.
process.once('SIGTERM', () => server.close());
