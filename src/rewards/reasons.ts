/** The reason that was given most often, and how often. */
export function mostFrequent(reasons: ReadonlyMap<string, number>): string {
  const [[reason, count] = ["", 0]] = [...reasons].sort(([, a], [, b]) => b - a);
  return `${reason.replace(/\.$/, "")} (${count} times${reasons.size > 1 ? `, and ${reasons.size - 1} other reasons` : ""})`;
}
