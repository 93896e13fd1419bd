import { DistillError } from "../../../core/errors.ts";
import { piecesOf, wordsOf } from "./pieces.ts";
import type { Node } from "./syntax.ts";
import { termOf } from "./term.ts";

/** What stands up to an end or an else, and that word's action. */
type Body = (inside: boolean) => { nodes: Node[]; end: string };

/** A template's nodes, or a DistillError with the place that cannot be read. */
export function parse(source: string): Node[] {
  const queue = piecesOf(source);
  const body: Body = (inside) => {
    const nodes: Node[] = [];
    for (let piece = queue.shift(); piece; piece = queue.shift()) {
      if ("text" in piece) nodes.push(piece);
      else if (/^(?:end|else)\b/.test(piece.action)) {
        if (!inside) throw new DistillError(`A Go template has {{ ${piece.action} }} with nothing to end.`);
        return { nodes, end: piece.action };
      } else nodes.push(nodeOf(piece.action, body));
    }
    if (inside) throw new DistillError("A Go template opens an if or a range that no {{ end }} ends.");
    return { nodes, end: "" };
  };
  return body(false).nodes;
}

function nodeOf(action: string, body: Body): Node {
  const [first, ...rest] = wordsOf(action);
  if (first === "if") return branchesOf(rest, body);
  if (first === "range") return rangeOf(rest, body);
  if (first?.startsWith("$") && rest[0] === ":=") return { declare: first, value: termOf(rest.slice(1)) };
  if (first?.startsWith("$") && rest[0] === "=") return { assign: first, value: termOf(rest.slice(1)) };
  return { print: termOf(first === undefined ? [] : [first, ...rest]) };
}

function branchesOf(words: readonly string[], body: Body): Node {
  const branches: { test: ReturnType<typeof termOf>; body: Node[] }[] = [];
  for (let test = termOf(words); ; ) {
    const { nodes, end } = body(true);
    branches.push({ test, body: nodes });
    if (end === "end") return { branches, otherwise: [] };
    const [, keyword, ...more] = wordsOf(end);
    if (keyword === undefined) return { branches, otherwise: ended(body(true)) };
    if (keyword !== "if") throw new DistillError(`A Go template has {{ ${end} }}. Expected else, or else if.`);
    test = termOf(more);
  }
}

/** `range list`, `range $item := list` or `range $index, $item := list`. */
function rangeOf(words: readonly string[], body: Body): Node {
  const at = words.indexOf(":=");
  const names = at < 0 ? [] : words.slice(0, at).filter((word) => word !== ",");
  const range = termOf(words.slice(at + 1));
  const { nodes, end } = body(true);
  const otherwise = end === "else" ? ended(body(true)) : [];
  const [index, item] = names.length === 2 ? names : [undefined, names[0]];
  return { range, ...(index ? { index } : {}), ...(item ? { item } : {}), body: nodes, otherwise };
}

function ended({ nodes, end }: ReturnType<Body>): Node[] {
  if (end !== "end") throw new DistillError(`A Go template has {{ ${end} }} behind an else.`);
  return nodes;
}
