// A backend that prints each request when its head is there, and where it listens.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((req, res) => {
  console.log(`ran ${req.method} ${req.url}`);
  req.resume();
  req.on('end', () => res.end('ok'));
  req.on('error', () => undefined); // it was cut off
});
server.listen(0, () => console.log(`listening on ${(server.address() as AddressInfo).port}.`));
