// Whether the host is reachable: name, connection, certificate, and plain HTTP beside https.
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  getCACertificates,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { type Examination, isLoopback, tenths } from '../examination.ts';
import { reasonOf, responseOf } from '../hop.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const ADDRESSES_MAX = 8;
const DAY_MS = 86_400_000;
/** Issuers renew a month before the end. At half of that, the renewal has failed. */
const RENEWAL_DUE_DAYS = 14;

/** False when the host is unreachable. */
export async function checkReach(examination: Examination): Promise<boolean> {
  const { hop, report } = examination;
  let addresses: string[];
  try {
    addresses = (await lookup(hop.host, { all: true })).map(({ address }) => address).slice(0, ADDRESSES_MAX);
  } catch (error) {
    report.unreachable = true;
    report.fail('name', `${hop.host} has no address: ${reasonOf(error)}`, 'create its DNS record, or correct the URL');
    return false;
  }
  report.ok('name', `${hop.host} is ${addresses.join(', ')}`, { addresses });
  const tries = await Promise.all(addresses.map((address) => tryConnect(address, hop.port)));
  const reached = tries.filter(({ failure }) => failure === undefined);
  const missed = tries
    .filter(({ failure }) => failure !== undefined)
    .map(({ address, failure }) => `${address} ${failure}`);
  hop.addresses = reached.map(({ address }) => address);
  if (reached.length === 0) {
    report.unreachable = true;
    report.fail(
      'connection',
      `port ${hop.port} is unreachable: ${missed.join('; ')}`,
      'is the relay running, has the service an external address, do NSG and firewall let the port in?',
    );
    return false;
  }
  const connectMs = tenths(Math.min(...reached.map(({ ms }) => ms)));
  // A name often has addresses of a family that this machine cannot reach.
  report.ok(
    'connection',
    `port ${hop.port} is open, ${connectMs} ms${missed.length ? `; not from here: ${missed.join('; ')}` : ''}`,
    {
      connectMs,
      reached: hop.addresses,
    },
  );
  return true;
}

async function tryConnect(address: string, port: number): Promise<{ address: string; ms: number; failure?: string }> {
  const beganMs = performance.now();
  const socket = connect({ host: address, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    return { address, ms: performance.now() - beganMs };
  } catch (error) {
    const code = (error as { code?: string }).code;
    return { address, ms: 0, failure: code && code !== 'ABORT_ERR' ? code : 'timed out' };
  } finally {
    socket.destroy();
  }
}

/** Checks name, issuer and validity of the certificate. */
export async function checkCertificate(examination: Examination): Promise<void> {
  const { hop, report } = examination;
  if (hop.url.protocol === 'http:') {
    examination.tlsProven = isLoopback(hop.host);
    if (examination.tlsProven) report.skip('certificate', 'plain HTTP on this machine');
    else
      report.warn(
        'certificate',
        'plain HTTP: bodies stay sealed, but any intermediary sees addresses, cookies and sizes, and browsers do not give pages WebCrypto',
        'put TLS in front and use https://',
      );
    return;
  }
  let socket: TLSSocket;
  try {
    socket = await handshake(examination);
  } catch (error) {
    report.fail(
      'certificate',
      `port ${hop.port} does not speak TLS: ${reasonOf(error)}`,
      'is the listener of the ingress HTTPS?',
    );
    return;
  }
  const certificate = socket.getPeerCertificate();
  const version = socket.getProtocol() ?? 'TLS';
  const chainFault = socket.authorized ? undefined : String(socket.authorizationError);
  socket.destroy();
  judgeCertificate(examination, certificate, version, chainFault);
  if (examination.tlsProven) hop.authorities = authoritiesOf(examination.ca);
}

/** The authorities of Node with NODE_EXTRA_CA_CERTS, as clients on Node trust; of the system, as curl; and of `--ca`. */
function authoritiesOf(ca: string | undefined): string[] {
  const known = [...getCACertificates('default'), ...getCACertificates('system')];
  return [...new Set(known), ...(ca === undefined ? [] : [ca])];
}

async function handshake({ hop, ca }: Examination): Promise<TLSSocket> {
  const socket = connectTls({
    host: hop.addresses[0] ?? hop.host,
    port: hop.port,
    servername: hop.host,
    rejectUnauthorized: false, // judgeCertificate tells the faults apart
    ca: authoritiesOf(ca),
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
  return socket;
}

function judgeCertificate(
  examination: Examination,
  certificate: PeerCertificate,
  version: string,
  chainFault: string | undefined,
): void {
  const { hop, report } = examination;
  const validTo = new Date(certificate.valid_to);
  const daysLeft = Math.floor((validTo.getTime() - Date.now()) / DAY_MS);
  const until = validTo.toISOString().slice(0, 10);
  const facts = { validTo: validTo.toISOString(), daysLeft, tls: version };
  examination.tlsProven = false;
  if (daysLeft < 0) {
    report.fail(
      'certificate',
      `expired on ${until}`,
      'renew it; see why its issuer did not (cert-manager, Key Vault)',
      facts,
    );
  } else if (checkServerIdentity(hop.host, certificate)) {
    const names = certificate.subjectaltname ?? 'no name';
    report.fail(
      'certificate',
      `is for ${names}, not for ${hop.host}`,
      'give the listener the certificate of this host',
      facts,
    );
  } else if (chainFault) {
    const todo = 'serve the whole chain, or give the issuer by --ca FILE (Node programs: NODE_EXTRA_CA_CERTS)';
    report.fail('certificate', `its issuer is not trusted: ${chainFault}`, todo, facts);
  } else if (daysLeft < RENEWAL_DUE_DAYS) {
    examination.tlsProven = true;
    report.warn(
      'certificate',
      `ends on ${until}, in ${daysLeft} days`,
      'renew it; automatic renewal seems to fail',
      facts,
    );
  } else {
    examination.tlsProven = true;
    report.ok('certificate', `${version}, for ${hop.host}, until ${until}`, facts);
  }
}

/** Checks that plain HTTP beside https redirects or is closed. */
export async function checkPlainHttp({ hop, options, report }: Examination): Promise<void> {
  if (hop.url.protocol === 'http:') return;
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const req = request({
    hostname: hop.host,
    port: options.httpPort,
    path: '/api/mte-echo',
    headers: { host: hop.url.host },
    agent: false,
    signal,
  });
  try {
    const res = await responseOf(req.end());
    res.destroy();
    const to = res.headers.location;
    if (to?.startsWith('https:')) return report.ok('plain HTTP', `is redirected to ${to}`);
    if (res.statusCode === 200) {
      return report.warn(
        'plain HTTP',
        'the relay is reachable without TLS too',
        'let the ingress redirect to https://',
      );
    }
    report.ok('plain HTTP', `does not reach the relay (${res.statusCode})`);
  } catch {
    report.ok('plain HTTP', `port ${options.httpPort} is closed`);
  }
}
