/** The one of `known` that is spelt most like `word`, where one is: of its letters such a share may differ. */
export function nearest(word: string, known: readonly string[], share = 1 / 3): string | undefined {
  const best = known
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return best && best.distance <= Math.max(1, word.length * share) ? best.name : undefined;
}

/** ` (did you mean "x"?)` where a known word is near, else what there is. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `. Expected one of: ${known.join(", ")}` : ` (did you mean "${near}"?)`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
