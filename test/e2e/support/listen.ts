import type { AddressInfo, Server } from 'node:net';

/** Listens on a port that the system gives, of every address of this machine, and returns the port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return (server.address() as AddressInfo).port;
}
