// What ends TLS in front of a server of this machine, with a certificate that browsers have to be told to take.
import { connect } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { listen } from '@mte-relay/testing/servers';
import { selfSigned } from '../../../../packages/server/test/support/certificate.ts';

const CERTIFICATE = selfSigned();

export interface TlsFront {
  readonly port: number;
  close(): void;
}

/** @param target port of this machine */
export async function startTlsFront(target: number): Promise<TlsFront> {
  const sockets = new Set<TLSSocket>();
  const server = createServer(CERTIFICATE, (near) => {
    const far = connect(target, '127.0.0.1');
    sockets.add(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => {
      sockets.delete(near);
      far.destroy();
    });
    far.on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  return {
    port: await listen(server),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
