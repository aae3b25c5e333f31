// How much work joining bytes is, counted instead of timed: a loaded machine copies as much as an idle one.

/** Bytes that are copied from one array into another while `act` runs. */
export function bytesCopied(act: () => void): number {
  const { set } = Uint8Array.prototype;
  let copied = 0;
  Uint8Array.prototype.set = function counted(source, offset) {
    copied += source.length;
    set.call(this, source, offset);
  };
  try {
    act();
  } finally {
    Uint8Array.prototype.set = set;
  }
  return copied;
}
