import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { failedToConnect } from '@mte-relay/protocol';
import { describe, expect, test } from 'vitest';

/** An error as node makes it. @param syscall undefined for one that names none. */
function errorOf(code: string, syscall?: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, ...(syscall && { syscall }) });
}

/** An error as node makes it when each address of a name has failed: the first one's code, and no system call. */
function aggregateOf(...errors: Error[]): Error {
  return Object.assign(new AggregateError(errors, 'each address failed'), {
    code: (errors[0] as { code?: string })?.code,
  });
}

const fetchFailed = (cause: unknown): Error => new TypeError('fetch failed', { cause });

const refused = errorOf('ECONNREFUSED', 'connect');
const broken = errorOf('EHOSTUNREACH', 'read');

const CODES = [
  'EACCES',
  'EADDRNOTAVAIL',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
];

describe.each(CODES)('%s', (code) => {
  test('of connect shows that nothing was sent', () => {
    expect(failedToConnect(errorOf(code, 'connect'))).toBe(true);
    expect(failedToConnect(fetchFailed(errorOf(code, 'connect')))).toBe(true);
  });

  test.each(['read', 'write', 'shutdown', undefined])('of %s does not', (syscall) => {
    expect(failedToConnect(errorOf(code, syscall))).toBe(false);
    expect(failedToConnect(fetchFailed(errorOf(code, syscall)))).toBe(false);
  });
});

test.each([
  ['ENOTFOUND', 'getaddrinfo'],
  ['EAI_AGAIN', 'getaddrinfo'],
  ['ENOTFOUND', 'queryA'],
  ['ETIMEOUT', 'queryAaaa'],
  ['EADDRINUSE', 'bind'],
  ['UND_ERR_CONNECT_TIMEOUT', undefined],
  ['CERT_HAS_EXPIRED', undefined],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', undefined],
  ['ERR_TLS_CERT_ALTNAME_INVALID', undefined],
  ['SELF_SIGNED_CERT_IN_CHAIN', undefined],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', undefined],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', undefined],
])('%s of %s shows that nothing was sent', (code, syscall) => {
  expect(failedToConnect(errorOf(code, syscall))).toBe(true);
});

test.each([
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', // an alert that comes after the handshake
  'ERR_SSL_WRONG_VERSION_NUMBER',
])('%s does not', (code) => {
  expect(failedToConnect(errorOf(code))).toBe(false);
});

describe('of a failure with several causes', () => {
  test('each address that was tried has to show it', () => {
    const timedOut = errorOf('ETIMEDOUT', 'connect');
    expect(failedToConnect(aggregateOf(refused, timedOut))).toBe(true);
    expect(failedToConnect(fetchFailed(aggregateOf(timedOut, refused)))).toBe(true);
    expect(failedToConnect(aggregateOf(refused, broken))).toBe(false);
    expect(failedToConnect(aggregateOf(broken, refused))).toBe(false);
    expect(failedToConnect(aggregateOf(refused, new Error('no code')))).toBe(false);
  });

  test('an AggregateError without errors is not evidence, whatever its code', () => {
    expect(failedToConnect(Object.assign(new AggregateError([], 'no address'), { code: 'ECONNREFUSED' }))).toBe(false);
    expect(failedToConnect(new AggregateError([], 'no address'))).toBe(false);
  });

  test('a timeout of undici over a failed connect counts as both', () => {
    const timedOut = (cause: unknown): Error => Object.assign(errorOf('UND_ERR_CONNECT_TIMEOUT'), { cause });
    expect(failedToConnect(fetchFailed(timedOut(aggregateOf(errorOf('ETIMEDOUT', 'connect')))))).toBe(true);
    expect(failedToConnect(fetchFailed(timedOut(broken)))).toBe(false);
  });

  test('a cause of an error that shows it has to show it too', () => {
    expect(failedToConnect(Object.assign(errorOf('ECONNREFUSED', 'connect'), { cause: broken }))).toBe(false);
    expect(failedToConnect(Object.assign(errorOf('UND_ERR_SOCKET'), { cause: refused }))).toBe(false);
  });

  test('a chain without an end is not evidence', () => {
    const endless = fetchFailed(undefined);
    endless.cause = endless;
    expect(failedToConnect(endless)).toBe(false);
    expect(failedToConnect(Array.from({ length: 9 }).reduce(fetchFailed, refused))).toBe(false);
  });
});

test.each([undefined, null, 'ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' }, new Error('no code')])(
  '%s is not evidence',
  (failure) => {
    expect(failedToConnect(failure)).toBe(false);
    expect(failedToConnect(fetchFailed(failure))).toBe(false);
  },
);

describe('an error that a socket of this machine gives', () => {
  test('on a port without a listener shows that nothing was sent', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const [error] = await once(connect(port, '127.0.0.1'), 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
    expect(failedToConnect(error)).toBe(true);
    const failed = await fetch(`http://127.0.0.1:${port}`).catch((caught: unknown) => caught);
    expect(failedToConnect(failed)).toBe(true);
  });

  test('on a connection that the other side resets does not', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const failed = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: 'x' }).catch(
      (caught: unknown) => caught,
    );
    await new Promise((resolve) => server.close(resolve));
    expect(failed).toBeInstanceOf(TypeError);
    expect(failedToConnect(failed)).toBe(false);
  });
});
