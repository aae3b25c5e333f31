// 10,000 random mutations of valid pairing requests, pairing replies, requests and responses. Each must be refused as
// bytes (ProtocolError): nothing may crash, hang or pass. MUTATION_SEED=… repeats the choices of a printed seed.
import { describe, expect, test } from 'vitest';
import { MESSAGE_TYPE_CANCEL, MESSAGE_TYPE_EXCHANGE } from '../src/constants.ts';
import { acceptPairing, parsePairingRequest, startPairing } from '../src/pairing.ts';
import { type Bytes, concatBytes } from '../src/wire.ts';
import { patternBytes, SeededRandom, toHex } from './support/bytes.ts';
import { mutated } from './support/mutations.ts';
import { refusalOf } from './support/refusal.ts';
import {
  identityFrom,
  openRequest,
  openResponse,
  pair,
  parametersWith,
  type Session,
  sealRequest,
  sealResponse,
} from './support/sessions.ts';
import { node } from './support/suites.ts';

const MUTATIONS_PER_KIND = 2500;
const CAMPAIGN_TIMEOUT_MS = 240_000; // on a machine that does other things too; a hang is beyond
const seed = Number(process.env['MUTATION_SEED'] ?? globalThis.crypto.getRandomValues(new Uint32Array(1))[0]);

const identity = await identityFrom(0x11);
const session = await pair(identity, 1);
const otherSession = await pair(identity, 2);

const startOne = (index: number): ReturnType<typeof startPairing> =>
  startPairing(node, identity.keyPair.publicKey, { authority: `host${index}.example:${index}`, flags: index % 3 });
const accept = (message: Bytes): Promise<{ reply: Bytes }> =>
  acceptPairing(node, identity, parsePairingRequest(message), () => parametersWith(1));

const SHAPES: ReadonlyArray<readonly Bytes[]> = [
  [new Uint8Array(0)],
  [patternBytes(9)],
  [patternBytes(300), patternBytes(20)],
  [patternBytes(1), patternBytes(2), patternBytes(3), new Uint8Array(0)],
  [patternBytes(65_536), patternBytes(10)],
];

const sealAll = async (on: Session): Promise<Awaited<ReturnType<typeof sealRequest>>[]> => [
  ...(await Promise.all(SHAPES.map((pieces, n) => sealRequest(on, n, pieces, MESSAGE_TYPE_EXCHANGE)))),
  await sealRequest(on, 99, [patternBytes(8)], MESSAGE_TYPE_CANCEL),
];

const requests = await sealAll(session);
const otherRequests = await sealAll(otherSession);
const responses = requests.map(({ exchange }, i) => ({
  exchange,
  message: sealResponse(session, exchange, SHAPES[i % SHAPES.length] as readonly Bytes[]).message,
}));
const pairings = await Promise.all([1, 2, 3, 4].map(startOne));
const pairingRequests = pairings.map((attempt) => attempt.message);
const pairingReplies = await Promise.all(pairingRequests.map(async (message) => (await accept(message)).reply));

/** Every valid message of any kind, to splice with. */
const everything: readonly Bytes[] = [
  ...pairingRequests,
  ...pairingReplies,
  ...[...requests, ...otherRequests, ...responses].map(({ message }) => message),
];

interface Target {
  readonly original: Bytes;
  /** Messages that are valid here, so that a mutation which turns into one of them proves nothing. */
  readonly valid: readonly Bytes[];
  readonly receive: (message: Bytes) => unknown;
}

async function campaign(kind: string, nextTarget: (random: SeededRandom) => Target | Promise<Target>): Promise<void> {
  const random = new SeededRandom(seed ^ kind.length);
  const tally: Record<string, number> = {};
  for (let counted = 0; counted < MUTATIONS_PER_KIND; ) {
    const { original, valid, receive } = await nextTarget(random);
    const { message, how } = mutated(random, original, everything);
    if (valid.some((bytes) => Buffer.compare(bytes, message) === 0)) continue;
    let outcome: string;
    try {
      outcome = await refusalOf(() => receive(message));
    } catch (crash) {
      throw new Error(`seed ${seed}, ${kind} ${counted}, ${how}: crashed on ${toHex(message)}`, { cause: crash });
    }
    expect(outcome, `seed ${seed}, ${kind} ${counted}, ${how}: ${toHex(message.subarray(0, 4096))}`).not.toBe('passed');
    tally[outcome] = (tally[outcome] ?? 0) + 1;
    counted += 1;
  }
  console.info(`seed ${seed}: ${MUTATIONS_PER_KIND} mutated ${kind} refused, ${JSON.stringify(tally)}`);
  expect(tally['unopenable']).toBeGreaterThan(MUTATIONS_PER_KIND / 20); // the mutations get past the parsers too
  expect(tally['misuse']).toBeUndefined(); // a peer's bytes are never the caller's fault
}

describe(`mutations, seed ${seed}`, () => {
  test(
    '2,500 pairing requests: all refused',
    async () => {
      await campaign('pairing requests', (random) => ({
        original: random.pick(pairingRequests),
        valid: pairingRequests,
        receive: accept,
      }));
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  test(
    '2,500 pairing replies: all refused',
    async () => {
      await campaign('pairing replies', async (random) => {
        const attempt = await startOne(random.below(100));
        const { reply } = await accept(attempt.message);
        return { original: reply, valid: [reply], receive: (message) => attempt.finish(message) };
      });
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  test(
    '2,500 requests: all refused',
    async () => {
      const valid = requests.map(({ message }) => message);
      await campaign('requests', (random) => {
        const pieceBytes = random.pick([1, 13, 1000, 1_000_000]);
        return {
          original: random.pick(valid),
          valid,
          receive: (message) => openRequest(session.relay, message, message.length > 10_000 ? 5000 : pieceBytes),
        };
      });
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  test(
    '2,500 responses: all refused',
    async () => {
      await campaign('responses', (random) => {
        const { exchange, message: original } = random.pick(responses);
        const pieceBytes = random.pick([1, 13, 1000, 1_000_000]);
        return {
          original,
          valid: [original],
          receive: (message) => openResponse(exchange, message, message.length > 10_000 ? 5000 : pieceBytes),
        };
      });
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  test('the unchanged messages pass, so a refusal is the mutation’s doing', async () => {
    for (const { message } of requests) openRequest(session.relay, message);
    for (const { exchange, message } of responses) await openResponse(exchange, message);
    for (const message of pairingRequests) await accept(message);
    for (const [i, attempt] of pairings.entries()) await attempt.finish(pairingReplies[i] as Bytes);
    expect(concatBytes([...everything]).length).toBeGreaterThan(0);
  });
});
