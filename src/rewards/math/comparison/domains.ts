/** @file "k ∈ ℤ" beside an answer only says what a letter stands for. */

import { type Node, rename, symbols } from "../tree.ts";

const NUMBER_SETS = new Set(["bb:R", "bb:Z", "bb:N", "bb:Q", "bb:C", "R", "Z", "N", "Q", "C"]);

/** The name that an item declares to be a number of some kind. */
function declared(item: Node): string | undefined {
  if (item.kind !== "relation" || item.ops.length !== 1 || item.ops[0] !== "in") return undefined;
  const [left, right] = [item.parts[0]!, item.parts[1]!];
  return left.kind === "symbol" && right.kind === "symbol" && NUMBER_SETS.has(right.name.replace(/[_^].*/, ""))
    ? left.name
    : undefined;
}

function split(node: Node): { bare: Node; names: Set<string> } {
  if (node.kind !== "set" || node.written) return { bare: node, names: new Set() };
  const names = node.items.map(declared);
  // a, b ∈ ℝ
  for (let i = names.length - 2; i > 0; i--) {
    const item = node.items[i]!;
    if (names[i] === undefined && names[i + 1] !== undefined && item.kind === "symbol") names[i] = item.name;
  }
  const kept = node.items.filter((_, i) => names[i] === undefined);
  if (kept.length === 0 || kept.length === node.items.length) return { bare: node, names: new Set() };
  const bare: Node = kept.length === 1 ? kept[0]! : { ...node, items: kept };
  return { bare, names: new Set(names.filter((name) => name !== undefined)) };
}

/** Both answers without what they declare; a declared letter that only one of them uses is renamed to the other's. */
export function withoutDomains(prediction: Node, reference: Node): [Node, Node] {
  const [p, g] = [split(prediction), split(reference)];
  const names = new Set([...p.names, ...g.names]);
  if (names.size === 0) return [p.bare, g.bare];
  const letters = (node: Node) => new Set([...symbols(node)].filter((name) => !name.startsWith("bb:")));
  const [x, y] = [letters(p.bare), letters(g.bare)];
  const [mine, theirs] = [[...x].filter((name) => !y.has(name)), [...y].filter((name) => !x.has(name))];
  const [from, to] = [mine[0], theirs[0]];
  const renames = mine.length === 1 && theirs.length === 1 && (p.names.has(from!) || g.names.has(to!));
  return [renames ? rename(p.bare, from!, to!) : p.bare, g.bare];
}
