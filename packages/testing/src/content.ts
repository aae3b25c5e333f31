// The whole content of a message.

/** @throws what the stream fails with */
export async function contentOf(message: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of message) pieces.push(piece);
  return Buffer.concat(pieces);
}
