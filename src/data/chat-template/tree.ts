/** @file What the library that reads templates gives: their syntax tree. */

import * as jinja from "@huggingface/jinja";

/** A statement or an expression; which fields it has depends on its type. */
export type Node = {
  type: string;
  /** Of a literal, of an identifier its name, of `set` what is assigned. */
  value?: unknown;
  body?: Node[];
  test?: Node;
  alternate?: Node[];
  loopvar?: Node;
  iterable?: Node;
  defaultBlock?: Node[];
  assignee?: Node;
  name?: Node;
  args?: Node[];
  callee?: Node;
  object?: Node;
  property?: Node;
  computed?: boolean;
  operator?: { value: string };
  left?: Node;
  right?: Node;
  operand?: Node;
  filter?: Node;
  negate?: boolean;
  argument?: Node;
  start?: Node;
  stop?: Node;
  step?: Node;
  key?: Node;
  call?: Node;
  callerArgs?: Node[] | null;
  condition?: Node;
  trueExpr?: Node;
  falseExpr?: Node;
  lhs?: Node;
};

/** Its types are out of reach of a compiler that resolves modules as Node does. */
const { Template } = jinja as unknown as { Template: new (source: string) => { parsed: Node } };

/** What transformers' {% generation %} is compiled to: a call of this, with the block as its caller. */
export const GENERATION = "__generation__";

/** The tree of a template; line ends are Unix's, as Jinja makes them. */
export function parseTemplate(source: string): Node {
  const calls = source
    .replace(/\r\n?/g, "\n")
    .replace(/\{%(-?)\s*generation\s*(-?)%\}/g, `{%$1 call ${GENERATION}() $2%}`)
    .replace(/\{%(-?)\s*endgeneration\s*(-?)%\}/g, "{%$1 endcall $2%}");
  return new Template(calls).parsed;
}

/** Whether a name is read anywhere in a tree. */
export function mentions(tree: unknown, name: string): boolean {
  if (typeof tree !== "object" || tree === null) return false;
  if ((tree as Node).type === "Identifier") return (tree as Node).value === name;
  const parts = tree instanceof Map ? [...tree].flat() : Object.values(tree);
  return parts.some((part) => mentions(part, name));
}
