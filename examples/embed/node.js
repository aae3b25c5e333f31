// The relay inside a plain Node server: requests that are not for it are handled as before.
import { createServer } from 'node:http';
import { createRelay } from '@mte-relay/server';

const relay = createRelay(); // settings from the environment, as for the command

const server = createServer((req, res) => {
  if (relay.handles(req)) relay.handler(req, res);
  else res.end('my own page\n');
});

server.on('upgrade', (req, socket, head) => relay.upgrade(req, socket, head)); // WebSockets

server.listen(Number(process.env.PORT ?? 8080), function listening() {
  console.log(`ready ${this.address().port} ${relay.pin}`);
});
process.once('SIGTERM', () => server.close(() => relay.close()));
