/** @file Whether two answers are equal: which rule may decide, by what kind of answer they are. */

import { type Expressions, expressions } from "../algebra/expression.ts";
import { type Leniency, nearEnough } from "../leniency.ts";
import { Beyond, type Budget, openBudget } from "../limits.ts";
import { print } from "../print.ts";
import { type Node, rename } from "../tree.ts";
import { withoutDomains } from "./domains.ts";
import { relationAndValue, relations, timeAndValue } from "./equations.ts";
import { all, lists, matching, matrices, plusMinus, sequences, unions } from "./lists.ts";
import { compoundOf, quantities, withoutLoneUnits, withoutUnitLetter } from "./quantities.ts";
import { compareRealSets } from "./real-sets.ts";
import { isConstant, sharedValue, simplifyRelation } from "./relation.ts";
import { hasPlusMinus } from "./rewrite.ts";
import { vectors } from "./vectors.ts";
import { texts } from "./words.ts";

/** The rule by which two answers are equal, or undefined. */
export type Rule = string | undefined;

/** What the rules share: each other, the algebra and what the comparison may cost. */
export type Comparison = {
  compare(prediction: Node, reference: Node, depth: number): Rule;
  algebra: Expressions;
  budget: Budget;
  leniency: Leniency;
};

/** Whether a prediction equals the reference, and by which rule. The two are not exchangeable: a prediction may say more. */
export function compareAnswers(prediction: Node, reference: Node, leniency: Leniency = {}): Rule {
  const budget = openBudget();
  const comparison: Comparison = {
    compare: (p, g, depth) => compareKinds(comparison, p, g, depth),
    algebra: expressions(budget),
    budget,
    leniency,
  };
  try {
    const [p, g] = withoutDomains(prediction, reference);
    const rule = comparison.compare(p, g, 0);
    const bare = rule === undefined && isConstant(g) ? withoutUnitLetter(p) : undefined;
    return bare ? comparison.compare(bare, g, 0) && "unit ignored" : rule;
  } catch (error) {
    if (error instanceof Beyond) return print(prediction) === print(reference) ? "same structure" : undefined;
    throw error;
  }
}

/** ℝ, which may be written as a plain or bold R. */
const isNumberSet = (node: Node): boolean => node.kind === "symbol" && /^(?:bb:)?[RZNQC]$/.test(node.name);
const bareName = (node: Node) => (node.kind === "symbol" ? node.name.replace("bb:", "") : "");

/** 9 and 2 are one modulo 7. */
function sameResidue(a: Node & { kind: "call" }, b: Node & { kind: "call" }): Rule {
  const [x, y, m] = [a.args[0], b.args[0], b.args[1]];
  const whole = [x, y, m].every((node) => node?.kind === "number" && node.value.d === 1n);
  if (!whole || x.kind !== "number" || y.kind !== "number" || m?.kind !== "number" || m.value.n === 0n)
    return undefined;
  return (x.value.n - y.value.n) % m.value.n === 0n ? "same residue" : undefined;
}

/** {2k | k ∈ ℤ} with a letter that has no other meaning. */
function withCommonLetter(set: Node & { kind: "call" }): Node & { kind: "call" } {
  const declared = set.args[1]?.kind === "relation" ? set.args[1].parts[0] : undefined;
  return declared?.kind === "symbol" ? (rename(set, declared.name, "bound 1") as typeof set) : set;
}

function compareKinds(comparison: Comparison, p: Node, g: Node, depth: number): Rule {
  const { compare, algebra, budget, leniency } = comparison;
  budget.spend(4);
  if (depth > 40) return undefined;
  const [first, second] = [g.kind === "set" ? sharedValue(p) : p, p.kind === "set" ? sharedValue(g) : g];
  const [a, b] = [compoundOf(simplifyRelation(first)), compoundOf(simplifyRelation(second))];
  if (a.kind === "quantity" || b.kind === "quantity") return quantities(comparison, a, b, depth);
  const [withUnits, orNot] = withoutLoneUnits(a, b);
  if (withUnits !== a || orNot !== b) return compare(withUnits, orNot, depth + 1);
  if (hasPlusMinus(a) || hasPlusMinus(b)) return plusMinus(comparison, a, b, depth);
  const sameSet = compareRealSets(comparison, a, b);
  if (sameSet !== undefined) return sameSet ? "same set of numbers" : undefined;
  if (a.kind === "relation" && b.kind === "relation") return relations(comparison, a, b, depth);
  if (a.kind === "relation" || b.kind === "relation") return relationAndValue(comparison, a, b, depth);
  if (a.kind === "union" || b.kind === "union") return unions(comparison, a, b, depth);
  if (a.kind === "set" || b.kind === "set") return lists(comparison, a, b, depth);
  if (a.kind === "text" || b.kind === "text") return texts(a, b) ?? timeAndValue(comparison, a, b, depth);
  const vector = vectors(comparison, a, b, depth);
  if (vector) return vector;
  if (a.kind === "sequence" || b.kind === "sequence") return sequences(comparison, a, b, depth);
  if (a.kind === "matrix" || b.kind === "matrix") return matrices(comparison, a, b, depth);
  if (a.kind === "based" || b.kind === "based")
    return print(a) === print(b) ? "same number in the same base" : undefined;
  if (a.kind === "call" && b.kind === "call" && a.name === "pmod" && b.name === "pmod")
    return (
      compare(a.args[1]!, b.args[1]!, depth + 1) && (compare(a.args[0], b.args[0], depth + 1) ?? sameResidue(a, b))
    );
  if (a.kind === "call" && a.name === "pmod") return compare(a.args[0], b, depth + 1);
  if (b.kind === "call" && b.name === "pmod") return compare(a, b.args[0], depth + 1);
  if (isNumberSet(a) && isNumberSet(b)) return bareName(a) === bareName(b) ? "same set of numbers" : undefined;
  if (a.kind === "call" && b.kind === "call" && a.name === "piecewise" && b.name === "piecewise")
    return matching(comparison, a.args, b.args, depth, false) && "same cases";
  if (a.kind === "call" && b.kind === "call" && a.name === "case" && b.name === "case")
    return all(comparison, a.args, b.args, depth, "same case");
  if (a.kind === "call" && b.kind === "call" && a.name === "values of" && b.name === "values of")
    return all(comparison, withCommonLetter(a).args, withCommonLetter(b).args, depth, "same values");
  const rule = algebra.equal(a, b) ?? nearEnough(a, b, leniency, budget);
  if (rule || leniency.percent_sign !== "optional" || (a.kind === "percent") === (b.kind === "percent")) return rule;
  const [x, y] = [a, b].map((node) => (node.kind === "percent" ? node.value : node)) as [Node, Node];
  return algebra.equal(x, y) && "percent without its sign";
}
