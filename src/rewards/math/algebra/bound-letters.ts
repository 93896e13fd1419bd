/** @file Sums, products and integrals: their letter has no name outside. */

import { print } from "../print.ts";
import { map, type Node, number, operation, substitute, symbol } from "../tree.ts";
import type { Forms } from "./normal-form.ts";
import type { Fraction } from "./polynomial.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** The name of a body whose letter has no name outside. */
function underBinding(forms: Forms, body: Node, letter: string): string {
  const { form, name, binding } = forms;
  binding.depth++;
  try {
    return name(form(renamed(body, letter, `bound ${binding.depth}`)));
  } finally {
    binding.depth--;
  }
}

/** ∫ with bounds, under the name of its integrand. */
export function integral(forms: Forms, args: readonly Node[]): Fraction {
  const { opaque } = forms;
  const bounds = args.slice(0, -1);
  const inside = integrand(args.at(-1)!);
  if (bounds.length !== 2 || !inside) return opaque(`int ${args.map(print).join()}`);
  return opaque(`int ${bounds.map(print).join()} ${underBinding(forms, inside.body, inside.letter)}`);
}

/** Σ and Π: added up where the bounds are near numbers, otherwise under the name of their body. */
export function series(forms: Forms, called: string, args: readonly Node[]): Fraction {
  const { add, constant, form, multiply, name, opaque, rational } = forms;
  const [lower, upper, body] = args;
  const start = lower?.kind === "call" && lower.name === "_" ? lower.args[0]! : undefined;
  const end =
    upper?.kind === "call" && upper.name === "^" && !isInfinite(upper.args[0])
      ? rational(form(upper.args[0]!))
      : undefined;
  const bound =
    start?.kind === "relation" && start.ops[0] === "=" && start.parts[0]!.kind === "symbol"
      ? start.parts[0]
      : undefined;
  const first = bound && start?.kind === "relation" ? rational(form(start.parts[1]!)) : undefined;
  if (!bound || !body || start?.kind !== "relation") return opaque(`${called} ${args.map(print).join()}`);
  const limit = called === "sum" && first && isInfinite(upper?.kind === "call" ? upper.args[0] : undefined);
  const total = limit ? geometric(forms, body, bound.name, first) : undefined;
  if (total) return total;
  if (!end || !first || !Q.isInteger(end) || !Q.isInteger(first) || end.n - first.n > 100n) {
    const inner = underBinding(forms, body, bound.name);
    const from = name(form(start.parts[1]!));
    const to = upper?.kind === "call" && !isInfinite(upper.args[0]) ? name(form(upper.args[0])) : print(upper!);
    return opaque(`${called} ${from} ${to} ${inner}`);
  }
  let result = constant(called === "sum" ? Q.ZERO : Q.ONE);
  for (let k = first.n; k <= end.n; k++) {
    const term = form(substitute(body, bound.name, number(Q.integer(k))));
    result = called === "sum" ? add(result, term) : multiply(result, term);
  }
  return result;
}

/** a + ar + ar² + … = a/(1 − r), where one term over the one before it is always the same r. */
function geometric(forms: Forms, body: Node, letter: string, first: Rational): Fraction | undefined {
  const { add, constant, form, invert, multiply, rational, scale } = forms;
  const next = substitute(body, letter, operation("+", symbol(letter), number(Q.ONE)));
  const r = rational(multiply(form(next), invert(form(body))));
  if (!r || Q.compare(Q.abs(r), Q.ONE) >= 0) return undefined;
  const start = form(substitute(body, letter, number(first)));
  return multiply(start, invert(add(constant(Q.ONE), scale(constant(r), Q.integer(-1)))));
}

/** A tree with another name for a symbol, in subscripts too. */
const renamed = (node: Node, from: string, to: string): Node =>
  map(node, (child) => {
    if (child.kind !== "symbol") return undefined;
    if (child.name === from) return symbol(to);
    if (!/^[A-Za-z]+$/.test(from) || !child.name.includes("_")) return undefined;
    const [head, ...index] = child.name.split("_");
    return symbol(
      [head, ...index.map((part) => part.replace(new RegExp(`(?<![A-Za-z])${from}(?![A-Za-z])`, "g"), to))].join("_"),
    );
  });

/** The integrand and the letter behind d. */
function integrand(node: Node): { body: Node; letter: string } | undefined {
  if (node.kind !== "operation" || node.op !== "*" || node.right.kind !== "symbol") return undefined;
  const { left } = node;
  if (left.kind === "symbol" && left.name === "d") return { body: number(Q.ONE), letter: node.right.name };
  return left.kind === "operation" && left.op === "*" && left.right.kind === "symbol" && left.right.name === "d"
    ? { body: left.left, letter: node.right.name }
    : undefined;
}

const isInfinite = (node: Node | undefined) => node?.kind === "symbol" && node.name === "oo";
