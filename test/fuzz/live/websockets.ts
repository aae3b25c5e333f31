// Sealed WebSockets of a hostile client: mutated openings, handshakes of any kind inside the seal, frames that are changed,
// repeated, out of order, or sealed with any content. Each ends with a close, and within its time.
import { type Bytes, concatBytes } from '@mte-relay/protocol';
import { SealedClient } from '@mte-relay/testing/sealed-client';
import { openOuter, TestWebSocket } from '@mte-relay/testing/sealed-websocket';
import type { SeededRandom } from '../../../packages/protocol/test/support/bytes.ts';
import { mutated } from '../../../packages/protocol/test/support/mutations.ts';
import { texts } from '../engine/target.ts';
import { HUNG_AFTER_MS } from './lane.ts';
import type { LiveLane, LiveTarget } from './live-target.ts';
import { keyOf, type LiveStage, ownPath } from './stage.ts';

const NAME = 'live websockets';
const FRAMES_MAX = 6;
const CONTENT = texts(
  '\x81hello',
  '\x82bytes',
  '\x01piece',
  '\x00more',
  '\x80last',
  '\x89ping',
  '\x8apong',
  '\x88\x03\xe8',
  '\x88',
);
const EMPTY = new Uint8Array(0);

let nextId = 0;

class WebSocketLane implements LiveLane {
  readonly #stage: LiveStage;
  readonly #random: SeededRandom;
  #client: SealedClient | undefined;

  constructor(stage: LiveStage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
  }

  async batch(): Promise<number> {
    const counts = await Promise.all([this.#one(), this.#one(), this.#one()]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  close(): void {}

  async #one(): Promise<number> {
    this.#client ??= await SealedClient.pair(this.#stage.port, { flags: 1 });
    const socket = new TestWebSocket(await openOuter(this.#stage.port));
    socket.outer.on('error', () => undefined);
    const random = this.#random;
    const path = ownPath(`socket-${nextId}`);
    nextId += 1;
    const isChanged = random.below(3) === 0;
    const opening = await socket.sealOpening(this.#client, { path, headers: this.#headers() });
    const { message } = isChanged ? mutated(random, opening, [opening]) : { message: opening };
    const isSame = Buffer.compare(message, opening) === 0;
    if (isSame) this.#stage.allow(keyOf('GET', path));
    socket.outer.send(message);
    const sent = isSame ? await this.#converse(socket) : 0;
    if (!isSame && random.below(4) === 0) socket.outer.send(random.bytes(30));
    const timer = setTimeout(() => this.#stage.fail(NAME, 'the WebSocket does not end', message), HUNG_AFTER_MS);
    if (isSame) socket.outer.close();
    await socket.outerClosed;
    clearTimeout(timer);
    return 2 + sent;
  }

  #headers(): [string, string][] {
    const random = this.#random;
    return random.pick([
      [],
      [['sec-websocket-protocol', 'a, b']],
      [['sec-websocket-extensions', 'permessage-deflate; client_max_window_bits']],
      [['sec-websocket-extensions', 'x'.repeat(random.below(3000))]],
      [
        ['sec-websocket-key', 'x'],
        ['connection', 'x'],
        ['upgrade', 'h2c'],
        ['content-length', '5'],
      ],
    ] as [string, string][][]);
  }

  /** Sends frames; what the relay does with them shows in its end. */
  async #converse(socket: TestWebSocket): Promise<number> {
    const random = this.#random;
    let accepted: boolean;
    try {
      accepted = (await socket.response()).head.status === 200;
    } catch {
      accepted = false; // closed by the relay
    }
    if (!accepted) return 0;
    const count = random.below(FRAMES_MAX);
    let last: Bytes = EMPTY;
    for (let i = 0; i < count; i += 1) {
      const { message: plaintext } =
        random.below(2) === 0 ? mutated(random, random.pick(CONTENT), CONTENT) : { message: random.pick(CONTENT) };
      const sealed = await socket.sealPlaintext(plaintext.subarray(0, 65_536));
      const kind = random.below(8);
      const frame = kind === 0 ? mutated(random, sealed, [sealed, last]).message : kind === 1 ? last : sealed;
      socket.outer.send(kind === 2 ? Buffer.from(frame).toString('latin1') : frame);
      last = concatBytes([sealed, EMPTY]);
    }
    return count;
  }
}

export const webSockets: LiveTarget = {
  name: NAME,
  lanes: 1,
  begin: async (stage, random) => new WebSocketLane(stage, random),
};
