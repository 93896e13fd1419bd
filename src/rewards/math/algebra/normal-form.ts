/** @file A tree as a fraction of polynomials: equal numbers and expressions get equal forms where algebra can tell. */

import type { Budget } from "../limits.ts";
import { measureOf } from "../reading/units.ts";
import type { Node } from "../tree.ts";
import { apply } from "./function-forms.ts";
import { type Arithmetic, type Atom, arithmetic, type Fraction, nameOf } from "./polynomial.ts";
import { raise } from "./powers-and-roots.ts";
import * as Q from "./rational.ts";

/** Thrown where a tree is no expression: a list, a relation, words. */
export class NotAlgebraic extends Error {
  override name = "NotAlgebraic";
}

/** The rules for forms of trees that are to be compared with each other. */
export type Forms = Arithmetic & {
  form(node: Node): Fraction;
  /** The atom of a kind and key; the same one whenever it is asked for. */
  atom(kind: Atom["kind"], key: string, prime?: bigint): Atom;
  /** What algebra knows nothing of but its name. */
  opaque(key: string): Fraction;
  /** Equal forms have equal names. */
  name(form: Fraction): string;
  /** How many letters are bound around what is read. */
  binding: { depth: number };
};

/** The normal forms of trees that are to be compared with each other. */
export function normalForms(budget: Budget): Forms {
  const ring = arithmetic(budget);
  const { constant, single, add, multiply, invert, isOne } = ring;
  const atoms = new Map<string, Atom>();
  const atom = (kind: Atom["kind"], key: string, prime?: bigint): Atom => {
    let known = atoms.get(key);
    if (!known) {
      known = prime === undefined ? { id: atoms.size, key, kind } : { id: atoms.size, key, kind, prime };
      atoms.set(key, known);
    }
    return known;
  };
  const opaque = (key: string) => single(atom("opaque", key));
  const name = ({ top, bottom }: Fraction) => (isOne(bottom) ? nameOf(top) : `(${nameOf(top)})/(${nameOf(bottom)})`);
  const forms: Forms = { ...ring, form, atom, opaque, name, binding: { depth: 0 } };
  return forms;

  /** A unit as what it holds of the base units, which are symbols; a noun says nothing. */
  function unitForm(unit: string): Fraction {
    const measure = measureOf(unit);
    let result = constant(measure?.factor ?? Q.ONE);
    for (const [base, n] of measure?.dimensions ?? [])
      result = multiply(result, raise(forms, single(atom("symbol", `unit ${base}`)), constant(Q.integer(n))));
    return result;
  }

  function form(node: Node): Fraction {
    budget.spend(1);
    switch (node.kind) {
      case "number":
        return constant(node.value);
      case "symbol":
        if (node.name === "i") return single(atom("imaginary", "i"));
        if (node.name === "oo") throw new NotAlgebraic("infinity");
        return single(atom("symbol", `s ${node.name}`));
      case "percent":
        return multiply(form(node.value), constant(Q.ratio(1n, 100n)));
      case "quantity":
        return node.unit === "degree"
          ? multiply(form(node.value), multiply(single(atom("symbol", "s pi")), constant(Q.ratio(1n, 180n))))
          : multiply(form(node.value), unitForm(node.unit));
      case "operation":
        switch (node.op) {
          case "+":
            return add(form(node.left), form(node.right));
          case "*":
            return multiply(form(node.left), form(node.right));
          case "/":
            return multiply(form(node.left), invert(form(node.right)));
          case "^":
            return raise(forms, form(node.left), form(node.right));
        }
        break;
      case "call":
        return apply(forms, node.name, node.args);
    }
    throw new NotAlgebraic(node.kind);
  }
}
