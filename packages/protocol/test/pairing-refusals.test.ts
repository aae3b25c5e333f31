// Pairing requests and responses that were cut, changed, mixed up or meant for another: each is refused, and with
// the code that the client acts on.
import { describe, expect, test } from 'vitest';
import type { ProtocolErrorCode } from '../src/errors.ts';
import {
  acceptPairing,
  type PairingAttempt,
  parsePairingRequest,
  type RelayIdentity,
  startPairing,
} from '../src/pairing.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { flipBit } from './support/bytes.ts';
import { expectRefusal, refusalOf } from './support/refusal.ts';
import { identityFrom, parametersWith } from './support/sessions.ts';
import { noble, node, suites } from './support/suites.ts';

const identity = await identityFrom(0x11);
const stranger = await identityFrom(0x22);
const AUTHORITY = 'a.example';

function accept(message: Bytes, by: RelayIdentity = identity): Promise<{ reply: Bytes }> {
  return acceptPairing(node, by, parsePairingRequest(message), () => parametersWith(1));
}

function start(authority = AUTHORITY, flags = 0): Promise<PairingAttempt> {
  return startPairing(node, identity.keyPair.publicKey, { authority, flags });
}

// version 1 ‖ suite 2 ‖ key id 8 ‖ authority length 1 ‖ authority ‖ flags 4 ‖ ct 1120 ‖ e 1216 ‖ tag 16
const SUITE_AT = 1;
const KEY_ID_AT = 3;
const AUTHORITY_LENGTH_AT = 11;
const AUTHORITY_AT = 12;
const FLAGS_AT = AUTHORITY_AT + AUTHORITY.length;

describe('a pairing request', () => {
  test('cut at any byte is truncated', async () => {
    const { message } = await start();
    for (let end = 0; end < message.length; end += 1) {
      await expectRefusal('truncated', () => accept(message.subarray(0, end)), `cut at ${end}`);
    }
  });

  test('with anything behind it is malformed', async () => {
    const { message } = await start();
    await expectRefusal('malformed', () => accept(concatBytes([message, Uint8Array.of(0)])));
  });

  test('with a bit flipped in any field is refused with that field’s code', async () => {
    const { message } = await start();
    for (let at = 0; at < FLAGS_AT + 4; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = flipBit(message, at, bit);
        await expectRefusal(expectedCode(at, flipped), () => accept(flipped), `byte ${at}, bit ${bit}`);
      }
    }
    function expectedCode(at: number, flipped: Bytes): ProtocolErrorCode | readonly ProtocolErrorCode[] {
      if (at < SUITE_AT) return 'version-unsupported';
      if (at < KEY_ID_AT) return 'suite-unsupported';
      if (at < AUTHORITY_LENGTH_AT) return 'key-unknown';
      // A shorter authority leaves bytes over, a longer one leaves too few or takes in what is not printable.
      if (at < AUTHORITY_AT) return ['malformed', 'truncated'];
      const byte = flipped[at] as number;
      if (at < FLAGS_AT && (byte < 0x21 || byte > 0x7e)) return 'malformed';
      return 'unopenable';
    }
  });

  test('with a bit flipped in any byte of ciphertext, ephemeral key or tag does not open', async () => {
    const { message } = await start();
    for (let at = FLAGS_AT + 4; at < message.length; at += 1) {
      const flipped = flipBit(message, at, at % 8);
      await expectRefusal('unopenable', () => accept(flipped), `byte ${at}`);
    }
  });

  test('made of two requests does not open', async () => {
    const [one, two] = [(await start()).message, (await start()).message];
    for (const at of [FLAGS_AT + 4 + 1088, FLAGS_AT + 4 + 1120, FLAGS_AT + 4 + 1120 + 1184, one.length - 16]) {
      await expectRefusal('unopenable', () => accept(concatBytes([one.subarray(0, at), two.subarray(at)])), `${at}`);
    }
  });

  test('for another authority or with other flags does not open as this one', async () => {
    const [one, flagged, elsewhere] = [
      (await start()).message,
      (await start(AUTHORITY, 1)).message,
      (await start('b.example')).message,
    ];
    const body = one.subarray(FLAGS_AT + 4);
    await expectRefusal('unopenable', () => accept(concatBytes([flagged.subarray(0, FLAGS_AT + 4), body])));
    await expectRefusal('unopenable', () => accept(concatBytes([elsewhere.subarray(0, FLAGS_AT + 4), body])));
  });

  test('of an older or newer version, or another suite, is refused as such before anything else', async () => {
    const { message } = await start();
    for (const version of [0, 2, 255]) {
      const offered = concatBytes([Uint8Array.of(version), message.subarray(1)]);
      await expectRefusal('version-unsupported', () => accept(offered));
      await expectRefusal('version-unsupported', () => accept(Uint8Array.of(version)));
    }
    const otherSuite = concatBytes([message.subarray(0, 1), Uint8Array.of(0, 2), message.subarray(3)]);
    await expectRefusal('suite-unsupported', () => accept(otherSuite));
    await expectRefusal('suite-unsupported', () => accept(otherSuite.subarray(0, 3)));
  });

  test('sealed to a key that the relay does not hold is refused as such', async () => {
    const { message } = await start();
    await expectRefusal('key-unknown', () => accept(message, stranger));
  });

  test('sealed to another key under this relay’s key id does not open', async () => {
    const { message } = await startPairing(node, stranger.keyPair.publicKey, { authority: AUTHORITY });
    const relabelled = concatBytes([
      message.subarray(0, KEY_ID_AT),
      identity.keyId,
      message.subarray(AUTHORITY_LENGTH_AT),
    ]);
    await expectRefusal('unopenable', () => accept(relabelled));
  });

  test('with an authority that is empty or not printable ASCII is malformed', async () => {
    const { message } = await start();
    const empty = concatBytes([message.subarray(0, AUTHORITY_LENGTH_AT), Uint8Array.of(0), message.subarray(FLAGS_AT)]);
    await expectRefusal('malformed', () => accept(empty));
    for (const byte of [0, 9, 10, 13, 32, 127, 128, 255]) {
      const changed = new Uint8Array(message);
      changed[AUTHORITY_AT + 1] = byte;
      await expectRefusal('malformed', () => accept(changed), `byte ${byte}`);
    }
  });

  test('is refused alike by a relay on either provider', async () => {
    const { message } = await start();
    for (const at of [0, 1, 3, 12, FLAGS_AT, FLAGS_AT + 4, FLAGS_AT + 1100, FLAGS_AT + 1500, message.length - 1]) {
      const flipped = flipBit(message, at, 7);
      const codes = await Promise.all(
        [noble, node].map((suite) =>
          refusalOf(() => acceptPairing(suite, identity, parsePairingRequest(flipped), () => parametersWith(1))),
        ),
      );
      expect(codes[0], `byte ${at}`).toBe(codes[1]);
      expect(codes[0], `byte ${at}`).not.toBe('passed');
    }
  });
});

const replyBytes = (await accept((await start()).message)).reply.length;

describe('a pairing reply', () => {
  // An attempt finishes once, so each changed response belongs to an attempt of its own.
  async function refusalOfReply(change: (reply: Bytes) => Bytes | Promise<Bytes>): Promise<string> {
    const attempt = await start();
    const { reply } = await accept(attempt.message);
    const changed = await change(reply);
    return refusalOf(() => attempt.finish(changed));
  }

  test('cut at any byte is truncated, or does not open once its ciphertext and a tag’s worth are there', async () => {
    for (let end = 0; end < replyBytes; end += 1) {
      const code = await refusalOfReply((reply) => reply.subarray(0, end));
      expect(code, `cut at ${end}`).toBe(end < 1120 + 16 ? 'truncated' : 'unopenable');
    }
  });

  test('with a bit flipped in any byte does not open', async () => {
    for (let at = 0; at < replyBytes; at += 1) {
      expect(await refusalOfReply((reply) => flipBit(reply, at, at % 8)), `byte ${at}`).toBe('unopenable');
    }
  });

  test('with anything behind it, or twice over, does not open', async () => {
    expect(await refusalOfReply((reply) => concatBytes([reply, Uint8Array.of(0)]))).toBe('unopenable');
    expect(await refusalOfReply((reply) => concatBytes([reply, reply]))).toBe('unopenable');
  });

  test('to another request, even of the same client, does not open', async () => {
    expect(await refusalOfReply(async () => (await accept((await start()).message)).reply)).toBe('unopenable');
  });

  test('with the parameters of another reply does not open', async () => {
    const spliced = await refusalOfReply(async (reply) => {
      const other = (await accept((await start()).message)).reply;
      return concatBytes([reply.subarray(0, 1120), other.subarray(1120)]);
    });
    expect(spliced).toBe('unopenable');
  });

  test('from somebody without the relay’s key does not open, on any provider', async () => {
    // The impostor responds as well as it can: right key id, right public key in the transcript, wrong private key.
    const impostor: RelayIdentity = {
      keyId: identity.keyId,
      keyPair: {
        publicKey: identity.keyPair.publicKey,
        decapsulate: (ciphertext) => stranger.keyPair.decapsulate(ciphertext),
      },
    };
    for (const suite of suites) {
      const attempt = await startPairing(suite, identity.keyPair.publicKey, { authority: AUTHORITY });
      await expectRefusal('unopenable', () => accept(attempt.message, impostor));
      // The impostor cannot open the request, so it can only respond with a pairing that it began itself.
      const own = await startPairing(node, stranger.keyPair.publicKey, { authority: AUTHORITY });
      const { reply } = await accept(own.message, stranger);
      await expectRefusal('unopenable', () => attempt.finish(reply), suite.name);
    }
  });

  test('that encapsulates to the client’s ephemeral key alone does not open', async () => {
    // The ephemeral key travels in clear: without the static secret it must not be enough.
    const attempt = await start();
    const { ephemeralPublicKey } = parsePairingRequest(attempt.message);
    const { ciphertext } = await node.kem.encapsulate(ephemeralPublicKey);
    await expectRefusal('unopenable', () => attempt.finish(concatBytes([ciphertext, new Uint8Array(120)])));
  });
});
