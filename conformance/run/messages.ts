// Cases of SPEC §5.1 to §5.4 and §7: requests and responses as both sides seal and open them, and cancels.
import {
  type Bytes,
  type ClientKeys,
  decodeCancel,
  decodeCancelResult,
  encodeCancel,
  encodeCancelResult,
  parseMessageHeader,
  RequestOpener,
  ResponseSealer,
  SealedExchange,
  type SyncSuite,
} from '@mte-relay/protocol';
import {
  type MessageCase,
  type MessageRefusedVectors,
  type MessageVectors,
  outputOf,
  type Plaintext,
  plaintextBytes,
  refusedInputs,
} from '../format.ts';
import { hex, join } from '../twin/bytes.ts';
import { type Case, CUTS, cut, expectSame, outcome, unhex } from './case.ts';
import { type Provider, type Providers, withRandomness } from './fixed-suite.ts';

type Session = MessageVectors['session'];

export function messageCases(
  { session, cases, cancels }: MessageVectors,
  refused: MessageRefusedVectors,
  { client, relay, inputsMax }: Providers,
): Case[] {
  const baseOf = (name: string) => cases.find((one) => one.name === name) as MessageCase;
  const refuse = (one: MessageRefusedVectors['cases'][number]) => async () => {
    const base = baseOf(one.base);
    for (const input of refusedInputs(
      one,
      unhex((one.side === 'client' ? base.response : base.request) as string),
      inputsMax,
    )) {
      const given = new Uint8Array(input);
      for (const size of CUTS) {
        const open = () =>
          one.side === 'client'
            ? openAtClient(client, session, base, given, size)
            : openAtRelay(relay, session, given, size);
        expectSame(await outcome(open), one.expect);
      }
    }
  };
  return [
    ...cases.map((one) => ({ name: `a client seals: ${one.name}`, run: () => sealAtClient(client, session, one) })),
    ...cases
      .filter((one) => typeof one.response === 'string')
      .map((one) => ({
        name: `a client opens: ${one.name}`,
        async run() {
          for (const size of CUTS) {
            const opened = await openAtClient(client, session, one, unhex(one.response as string), size);
            expectSame(hex(join(...opened)), joined(one.responsePlaintexts));
          }
        },
      })),
    ...cases
      .filter((one) => typeof one.request === 'string')
      .map((one) => ({
        name: `a relay opens: ${one.name}`,
        run() {
          for (const size of CUTS) {
            const { header, opened } = openAtRelay(relay, session, unhex(one.request as string), size);
            const { type, n, sid } = header;
            expectSame({ type, n, sid: hex(sid) }, { type: one.type, n: one.n, sid: session.sid });
            expectSame(hex(join(...opened)), joined(one.requestPlaintexts));
          }
        },
      })),
    ...cases.map((one) => ({ name: `a relay seals: ${one.name}`, run: () => sealAtRelay(relay, session, one) })),
    ...refused.cases.map((one) => ({ name: `a ${one.side} refuses: ${one.name}`, run: refuse(one) })),
    ...cancels.map((one) => ({
      name: `cancel: ${one.name}`,
      run() {
        expectSame(hex(encodeCancel(one.n)), one.plaintext);
        expectSame(decodeCancel(unhex(one.plaintext)), one.n);
        for (const [word, never] of [
          [one.cancelled, true],
          [one.claimed, false],
        ] as const) {
          expectSame(hex(encodeCancelResult(one.n, never)), word);
          expectSame(decodeCancelResult(unhex(word), one.n), never);
        }
      },
    })),
    ...refused.cancels.map(({ name, side, n, plaintext, expect }) => ({
      name: `cancel refused by the ${side}: ${name}`,
      async run() {
        const bytes = unhex(plaintext);
        expectSame(
          await outcome(() => (side === 'relay' ? decodeCancel(bytes) : decodeCancelResult(bytes, n))),
          expect,
        );
      },
    })),
  ];
}

function joined(plaintexts: Plaintext[]): string {
  return hex(join(...plaintexts.map(plaintextBytes)));
}

async function begin(provider: Provider, session: Session, one: MessageCase): Promise<SealedExchange> {
  const suite = withRandomness(provider, { bytes: [unhex(one.nonce)] });
  const keys: ClientKeys = {
    sid: unhex(session.sid),
    requestSecret: await suite.importExpandKey(unhex(session.requestSecret)),
    responseSecret: await suite.importExpandKey(unhex(session.responseSecret)),
  };
  return SealedExchange.begin(suite, keys, one.type, one.n);
}

async function sealAtClient(provider: Provider, session: Session, one: MessageCase): Promise<void> {
  const exchange = await begin(provider, session, one);
  expectSame(hex(exchange.header), one.header);
  const parts: Uint8Array[] = [exchange.header];
  const last = one.requestPlaintexts.length - 1;
  for (const [i, plaintext] of one.requestPlaintexts.entries()) {
    const bytes = new Uint8Array(plaintextBytes(plaintext));
    parts.push(i === last ? await exchange.sealFinal(bytes) : await exchange.seal(bytes));
  }
  expectSame(outputOf(join(...parts)), one.request);
}

/** Opens a response that arrives in pieces of this size. */
export async function openAtClient(
  provider: Provider,
  session: Session,
  one: MessageCase,
  response: Bytes,
  size: number,
): Promise<Bytes[]> {
  const exchange = await begin(provider, session, one);
  const opened: Bytes[] = [];
  for await (const plaintext of exchange.openResponse(cutLater(response, size))) opened.push(plaintext);
  return opened;
}

async function* cutLater(bytes: Bytes, size: number): AsyncGenerator<Bytes> {
  for (const piece of cut(bytes, size)) yield await Promise.resolve(piece);
}

/** Opens a request that comes in pieces of this size. */
export function openAtRelay({ suite }: Provider<SyncSuite>, session: Session, message: Bytes, size: number) {
  const header = parseMessageHeader(message);
  const opener = new RequestOpener(suite.importExpandKey(unhex(session.requestSecret)), header);
  const opened: Bytes[] = [];
  for (const piece of cut(message.subarray(header.bytes.length), size)) {
    opener.push(piece);
    for (let plaintext = opener.next(); plaintext; plaintext = opener.next()) opened.push(plaintext);
  }
  opened.push(opener.end());
  return { header, opened };
}

function sealAtRelay(provider: Provider<SyncSuite>, session: Session, one: MessageCase): void {
  const suite = withRandomness(provider, { bytes: [unhex(one.responseNonce)] });
  const secret = suite.importExpandKey(unhex(session.responseSecret));
  const sealer = new ResponseSealer(suite, secret, parseMessageHeader(unhex(one.header)));
  const last = one.responsePlaintexts.length - 1;
  const parts = one.responsePlaintexts.map((plaintext, i) => {
    const bytes = new Uint8Array(plaintextBytes(plaintext));
    return i === last ? sealer.sealFinal(bytes) : sealer.seal(bytes);
  });
  expectSame(outputOf(join(...parts)), one.response);
}
