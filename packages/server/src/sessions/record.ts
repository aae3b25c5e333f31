// A session as a record of a shared store: sealed, so that the store's memory and dumps contain no secret.
// record = nonce 16 ‖ AES-256-GCM(key, nonce 0, AAD = sid 16 ‖ expiry 8 ‖ domain, plaintext),
// plaintext = request 32 ‖ response 32 ‖ flags 4 ‖ authority length 1 ‖ authority ‖ client id,
// key = HKDF-Expand(HKDF(CLIENT_ID_SECRET, info "mte-relay/1 session"), "session.2" ‖ nonce, 32): one key per record. The
// label has the number of this layout: a record of another one does not open, and its client pairs again.
import { asciiBytes, type Bytes, concatBytes, type SyncExpandKey, type SyncSuite } from '@mte-relay/protocol';
import { deriveFromSecret } from '../secrets/derive.ts';
import type { NewSession, Session } from './store.ts';

const NONCE_BYTES = 16;
const SECRET_BYTES = 32;
const FLAGS_AT = 2 * SECRET_BYTES;
const AUTHORITY_LENGTH_AT = FLAGS_AT + 4;
const AUTHORITY_AT = AUTHORITY_LENGTH_AT + 1;
const LABEL: Bytes = asciiBytes('session.2');

/** Facts that are stored in clear beside a record, and authenticated with it. */
export interface RecordPlace {
  readonly sid: Bytes;
  /** Absolute expiry, Unix time by the store's clock. */
  readonly expiryMs: number;
  readonly domain: string;
}

/** Seals sessions of every domain under that domain's CLIENT_ID_SECRET: the newest secret seals, every secret opens. */
export class SessionSealer {
  readonly #suite: SyncSuite;
  readonly #keys: ReadonlyMap<string, readonly SyncExpandKey[]>;

  /** @param secrets CLIENT_ID_SECRET by domain, newest first. */
  constructor(suite: SyncSuite, secrets: ReadonlyMap<string, readonly string[]>) {
    this.#suite = suite;
    this.#keys = new Map(
      [...secrets].map(([domain, texts]) => [
        domain,
        texts.map((text) => suite.importExpandKey(deriveFromSecret(text, 'mte-relay/1 session'))),
      ]),
    );
  }

  seal(session: NewSession, expiryMs: number): Bytes {
    const [newest] = this.#keys.get(session.domain) ?? [];
    if (!newest) throw new Error(`CLIENT_ID_SECRET of the domain ${session.domain} is missing`);
    const flags = Buffer.alloc(4);
    flags.writeUInt32BE(session.flags);
    const { request, response } = session.secrets;
    const authority = asciiBytes(session.authority); // 255 bytes at most (SPEC §3.2)
    const clientId = new Uint8Array(Buffer.from(session.clientId));
    const plaintext = concatBytes([request, response, flags, Uint8Array.of(authority.length), authority, clientId]);
    const nonce = this.#suite.randomBytes(NONCE_BYTES);
    const aead = newest.expandAead(concatBytes([LABEL, nonce]));
    const sealed = aead.seal(this.#suite.aeadNonce(0), associatedData({ ...session, expiryMs }), plaintext);
    plaintext.fill(0);
    return concatBytes([nonce, sealed]);
  }

  /** The session; undefined if the record was not sealed by this relay for this place. */
  open(place: RecordPlace, record: Bytes): Session | undefined {
    const nonce = record.subarray(0, NONCE_BYTES);
    for (const key of this.#keys.get(place.domain) ?? []) {
      try {
        const aead = key.expandAead(concatBytes([LABEL, nonce]));
        const plaintext = aead.open(this.#suite.aeadNonce(0), associatedData(place), record.subarray(NONCE_BYTES));
        return this.#decode(place, plaintext);
      } catch {
        // sealed under another secret, or not by this relay
      }
    }
    return undefined;
  }

  #decode({ sid, domain }: RecordPlace, plaintext: Bytes): Session {
    const view = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    const clientIdAt = AUTHORITY_AT + view.readUInt8(AUTHORITY_LENGTH_AT);
    const session = {
      sid,
      requestSecret: this.#suite.importExpandKey(plaintext.subarray(0, SECRET_BYTES)),
      responseSecret: this.#suite.importExpandKey(plaintext.subarray(SECRET_BYTES, FLAGS_AT)),
      domain,
      authority: view.toString('latin1', AUTHORITY_AT, clientIdAt),
      flags: view.readUInt32BE(FLAGS_AT),
      clientId: view.toString('utf8', clientIdAt),
      ended: false, // the claim decides
    };
    plaintext.fill(0);
    return session;
  }
}

function associatedData({ sid, expiryMs, domain }: RecordPlace): Bytes {
  const expiry = Buffer.alloc(8);
  expiry.writeBigUInt64BE(BigInt(expiryMs));
  return concatBytes([sid, expiry, new Uint8Array(Buffer.from(domain))]);
}
