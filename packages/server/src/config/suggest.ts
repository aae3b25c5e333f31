// Finds the setting that a mistyped name most likely means.

const PREFIX = /^(?:MTE_RELAY|MTE|RELAY)_/;

/** The known name that `name` most likely means; undefined if it resembles no known name or is a known name. */
export function suggestName(name: string, known: readonly string[]): string | undefined {
  if (known.includes(name)) return undefined;
  const upper = name.toUpperCase();
  const written = [upper, upper.replaceAll(/[-.]/g, '_'), upper.replace(PREFIX, '')];
  const same = written.find((form) => known.includes(form));
  if (same) return same;
  const near = known.filter((candidate) => written.some((form) => isSlip(form, candidate)));
  return near.sort((a, b) => slips(upper, a) - slips(upper, b))[0];
}

/** Short names resemble others by chance (PORT, SORT), so that only one more letter counts as a slip. */
function isSlip(name: string, candidate: string): boolean {
  if (candidate.length < 6) return name === `${candidate}S`;
  return slips(name, candidate) <= (candidate.length < 14 ? 1 : 2);
}

/** Number of letters left out, added, changed or swapped with a neighbour: restricted Damerau–Levenshtein distance. */
function slips(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(changed, (last[j] as number) + 1, (row[j - 1] as number) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] as number) + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}
