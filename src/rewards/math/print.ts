/** @file A tree as plain text, for reports and as a name. */

import { format } from "./algebra/rational.ts";
import type { Node } from "./tree.ts";

/** The tree on one line, operations in brackets where they are needed. */
export function print(node: Node): string {
  switch (node.kind) {
    case "number":
      return format(node.value);
    case "symbol":
      return node.name.replace(/^\\/, "");
    case "operation":
      return `${wrap(node.left)}${node.op === "+" ? " + " : node.op}${wrap(node.right)}`;
    case "call":
      return `${node.name}(${node.args.map(print).join(", ")})`;
    case "plus-minus":
      return `${node.left ? `${wrap(node.left)} ` : ""}${node.upper === 1 ? "±" : "∓"} ${wrap(node.right)}`;
    case "quantity":
      return `${wrap(node.value)} ${node.unit}`;
    case "percent":
      return `${wrap(node.value)}%`;
    case "sequence":
      return `${node.open}${node.items.map(print).join(", ")}${node.close}`;
    case "set":
      return node.written ? `{${node.items.map(print).join(", ")}}` : node.items.map(print).join("; ");
    case "union":
      return node.items.map(print).join({ union: " ∪ ", intersection: " ∩ ", difference: " \\ " }[node.op]);
    case "matrix":
      return `[${node.rows.map((row) => row.map(print).join(", ")).join("; ")}]`;
    case "relation":
      return node.parts.map((part, i) => (i === 0 ? "" : ` ${node.ops[i - 1]} `) + print(part)).join("");
    case "based":
      return `${node.digits}_${node.base}`;
    case "text":
      return `"${node.text}"`;
  }
}

const wrap = (node: Node) =>
  node.kind === "operation" || node.kind === "plus-minus" ? `(${print(node)})` : print(node);
