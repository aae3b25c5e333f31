// The relay responds early to an upload on a connection that it will close, as proxies open them by default: closing on
// unread bytes would reset the connection, and the reset can overtake the response (RFC 9112 §9.6).
import { once } from 'node:events';
import { connect } from 'node:net';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';

const UPLOADS = 25;
const UPLOAD_BYTES = 4_000_000;

/** Sends all of it before it reads anything, as a proxy does that has the whole request; gives what came back. */
async function upload(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const head = `POST /api/mte HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${UPLOAD_BYTES}\r\n\r\n`;
  const body = Buffer.alloc(UPLOAD_BYTES, 'x');
  socket.pause();
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.write(head);
    socket.write(body, (error) => (error ? reject(error) : resolve()));
  });
  let response = '';
  for await (const piece of socket) response += piece;
  return response;
}

test('a refusal of a large upload arrives whole, and the connection is closed behind it', async () => {
  const { port } = await stage();
  for (let at = 0; at < UPLOADS; at += 1) {
    const response = await upload(port);
    expect(response, `upload ${at}`).toMatch(/^HTTP\/1\.1 415 .*"code":"media-type-unsupported"/s);
  }
});

test('the relay closes the connection of a client that neither continues nor closes', async () => {
  const { port } = await stage(undefined, { environment: { CLIENT_IDLE_TIMEOUT_MS: '300' } });
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(
    'POST /api/mte HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 9999\r\n\r\n',
  );
  const [response] = await once(socket, 'data');
  expect(String(response)).toContain('media-type-unsupported');
  const broken = once(socket, 'error');
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // longer than it may be idle
  const writing = setInterval(() => socket.write('x'), 50);
  expect(await broken).toMatchObject([{ code: expect.stringMatching(/EPIPE|ECONNRESET/) }]);
  clearInterval(writing);
});
