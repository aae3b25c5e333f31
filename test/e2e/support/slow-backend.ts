// A backend that takes large uploads slowly. It prints each request when its head is there, and where it listens.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const PIECE_TAKES_MS = 5;

const server = createServer((req, res) => {
  console.log(`ran ${req.method} ${req.url}`);
  req.on('data', () => {
    req.pause();
    setTimeout(() => req.resume(), PIECE_TAKES_MS);
  });
  req.on('end', () => res.end('ok'));
  req.on('error', () => undefined); // it broke off
});
server.listen(0, () => console.log(`listening on ${(server.address() as AddressInfo).port}.`));
