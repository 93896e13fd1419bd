/** @file Whether two answers are equal: expressions, lists, intervals, matrices, equations, inequalities, words. */

import { type Expressions, expressions } from "../algebra/expression.ts";
import { minus } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { sameText } from "../extraction/text.ts";
import { Beyond, type Budget, openBudget } from "../limits.ts";
import { print } from "../print.ts";
import { UNITS } from "../reading/words.ts";
import { constantRatio } from "../sampling/sample.ts";
import { type Node, number, operation, rename, some } from "../tree.ts";
import { asInterval, isConstant, isLabel, labelled, saidBy, simplifyRelation } from "./relation.ts";
import {
  ALL_REALS,
  ascending,
  columnOf,
  expanded,
  hasPlusMinus,
  isSequence,
  lettersOf,
  mergedSets,
  unquantified,
  withoutUnitLetter,
} from "./rewrite.ts";

/** The rule by which two answers are equal, or undefined. */
export type Rule = string | undefined;

/** Whether a prediction equals the reference, and by which rule. The two are not exchangeable: a prediction may say more. */
export function compareAnswers(prediction: Node, reference: Node, budget: Budget = openBudget()): Rule {
  try {
    const { compare } = createComparison(expressions(budget), budget);
    const rule = compare(prediction, reference, 0);
    const bare = rule === undefined && isConstant(reference) ? withoutUnitLetter(prediction) : undefined;
    return bare ? compare(bare, reference, 0) && "unit ignored" : rule;
  } catch (error) {
    if (error instanceof Beyond) return print(prediction) === print(reference) ? "same structure" : undefined;
    throw error;
  }
}

function createComparison(algebra: Expressions, budget: Budget) {
  return { compare };

  function compare(p: Node, g: Node, depth: number): Rule {
    budget.spend(4);
    const [a, b] = [simplifyRelation(p), simplifyRelation(g)];
    if (a.kind === "quantity" || b.kind === "quantity") return quantities(a, b, depth);
    if (hasPlusMinus(a) || hasPlusMinus(b)) return plusMinus(a, b, depth);
    if (a.kind === "relation" && b.kind === "relation") return relations(a, b, depth);
    if (a.kind === "relation" || b.kind === "relation") return relationAndValue(a, b, depth);
    if (a.kind === "union" || b.kind === "union") return unions(a, b, depth);
    if (a.kind === "set" || b.kind === "set") return sets(a, b, depth);
    if (a.kind === "text" || b.kind === "text") return texts(a, b);
    if (a.kind === "sequence" || b.kind === "sequence") return sequences(a, b, depth);
    if (a.kind === "matrix" || b.kind === "matrix") return matrices(a, b, depth);
    if (a.kind === "based" || b.kind === "based")
      return print(a) === print(b) ? "same number in the same base" : undefined;
    if (a.kind === "call" && b.kind === "call" && a.name === "pmod" && b.name === "pmod")
      return all(a.args, b.args, depth, "residue");
    if (a.kind === "call" && a.name === "pmod") return compare(a.args[0]!, b, depth);
    if (b.kind === "call" && b.name === "pmod") return compare(a, b.args[0]!, depth);
    return algebra.equal(a, b);
  }

  /** Units beside a value: of one kind they are converted, otherwise an unknown or missing one is ignored. */
  function quantities(a: Node, b: Node, depth: number): Rule {
    const lettered = (node: Node): Node =>
      node.kind === "operation" && node.op === "*" && node.right.kind === "symbol" && UNITS.has(node.right.name)
        ? { kind: "quantity", value: node.left, unit: node.right.name }
        : node;
    const [p, g] = [lettered(a), lettered(b)];
    const unit = (node: Node) => (node.kind === "quantity" ? UNITS.get(node.unit) : undefined);
    const value = (node: Node) => (node.kind === "quantity" ? node.value : node);
    const [u, v] = [unit(p), unit(g)];
    if (!u || !v || (u.dimension === v.dimension && u.factor === v.factor))
      return u && v ? compare(value(p), value(g), depth + 1) : compare(unquantified(a), unquantified(b), depth + 1);
    if (u.dimension !== v.dimension) return undefined;
    const scale = u.factor / v.factor;
    const exact = scale >= 1 ? Math.round(scale) : 1 / Math.round(1 / scale);
    if (Math.abs(exact - scale) > 1e-9 * scale) return undefined;
    const factor = operation(
      "/",
      number(integer(Math.round(Math.max(1, scale)))),
      number(integer(Math.round(Math.max(1, 1 / scale)))),
    );
    return compare(operation("*", value(p), factor), value(g), depth + 1) && "converted units";
  }

  function plusMinus(a: Node, b: Node, depth: number): Rule {
    const [x, y] = [expanded(a), expanded(b)];
    if (x.kind === "set" && y.kind === "set") return matching(x.items, y.items, depth, true) && "both signs";
    return sets(x, y, depth);
  }

  // ---- lists

  function sets(a: Node, b: Node, depth: number): Rule {
    if (a.kind === "set" && b.kind === "set") {
      const [x, y] = [labelled(a.items), labelled(b.items)];
      const once = (a.written && b.written) || [...x, ...y].every((item) => item.kind === "sequence");
      return matching(x, y, depth, once) && "same elements";
    }
    const [list, other] = a.kind === "set" ? [a, b] : [b as Node & { kind: "set" }, a];
    if (list.items.length === 1 && list.written)
      return a.kind === "set" ? compare(list.items[0]!, other, depth + 1) : compare(other, list.items[0]!, depth + 1);
    if (other.kind === "sequence" && !list.written && other.open === "(" && other.close === ")")
      return list === a
        ? all(list.items, other.items, depth, "in the same order")
        : all(other.items, list.items, depth, "in the same order");
    if (other.kind === "union" || other.kind === "sequence") {
      const union = list.written ? undefined : alternatives(list);
      if (union) return list === a ? compare(union, other, depth + 1) : compare(other, union, depth + 1);
    }
    if (other.kind === "matrix" && !list.written) {
      const column = columnOf(other);
      if (column)
        return list === a
          ? all(list.items, column, depth, "same entries")
          : all(column, list.items, depth, "same entries");
    }
    return undefined;
  }

  /** x < 1 or x > 2 as a union of intervals. */
  function alternatives(list: Node & { kind: "set" }): Node | undefined {
    if (list.joint === "and") return undefined;
    const intervals = list.items.map((item) => (item.kind === "relation" ? asInterval(item) : item));
    if (!intervals.every((item) => item !== undefined && item.kind === "sequence")) return undefined;
    return { kind: "union", op: "union", items: intervals as Node[] };
  }

  /** Whether each element has its own equal on the other side; with `once`, doubles count as one. */
  function matching(a: readonly Node[], b: readonly Node[], depth: number, once: boolean): Rule {
    if (depth > 8) return undefined;
    const [x, y] = once ? [distinct(a), distinct(b)] : [a, b];
    if (x.length !== y.length) return undefined;
    const free = new Set(y.keys());
    for (const [i, item] of x.entries()) {
      // Most lists come in the same order.
      const candidates = free.has(i) ? [i, ...free] : free;
      let found: number | undefined;
      for (const k of candidates) {
        found = compare(item, y[k]!, depth + 1) ? k : undefined;
        if (found !== undefined) break;
      }
      if (found === undefined) return undefined;
      free.delete(found);
    }
    return "same elements";
  }

  function distinct(items: readonly Node[]): Node[] {
    const byName = new Map(items.map((item) => [print(item), item]));
    return [...byName.values()];
  }

  function all(a: readonly Node[], b: readonly Node[], depth: number, rule: string): Rule {
    return depth <= 8 && a.length === b.length && a.every((item, i) => compare(item, b[i]!, depth + 1))
      ? rule
      : undefined;
  }

  function sequences(a: Node, b: Node, depth: number): Rule {
    if (a.kind === "sequence" && b.kind === "sequence") {
      if (a.open !== b.open || a.close !== b.close) return undefined;
      return all(a.items, b.items, depth, a.items.length === 2 ? "same interval or pair" : "in the same order");
    }
    const [sequence, other] = a.kind === "sequence" ? [a, b] : [b as Node & { kind: "sequence" }, a];
    if (other.kind === "symbol" && other.name === "bb:R")
      return print(sequence) === print(ALL_REALS) ? "all real numbers" : undefined;
    const column = other.kind === "matrix" ? columnOf(other) : undefined;
    if (!column) return undefined;
    return sequence === a
      ? all(a.items, column, depth, "same entries")
      : all(column, sequence.items, depth, "same entries");
  }

  function unions(a: Node, b: Node, depth: number): Rule {
    const [x, y] = [mergedSets(a), mergedSets(b)];
    if (x !== a || y !== b) return compare(x, y, depth + 1);
    if (a.kind === "set" || b.kind === "set") return sets(a, b, depth);
    if (a.kind !== "union" || b.kind !== "union" || a.op !== b.op) return undefined;
    return a.op === "difference"
      ? all(a.items, b.items, depth, "same sets")
      : matching(a.items, b.items, depth, true) && "same sets";
  }

  function matrices(a: Node, b: Node, depth: number): Rule {
    if (a.kind !== "matrix" || b.kind !== "matrix") return undefined;
    if (a.rows[0]!.length !== b.rows[0]!.length) return undefined;
    return all(a.rows.flat(), b.rows.flat(), depth, "same entries");
  }

  // ---- words

  function texts(a: Node, b: Node): Rule {
    const written = (node: Node) => (node.kind === "text" ? node.text : lettersOf(node));
    const [x, y] = [written(a), written(b)];
    if (x === undefined || y === undefined) return undefined;
    // A time of day without its half.
    const half = / [ap]m$/;
    if (/^\d+:\d\d/.test(x) && half.test(x) !== half.test(y))
      return x.replace(half, "") === y.replace(half, "") ? "same time" : undefined;
    return sameText(x, y) ? "same words" : undefined;
  }

  // ---- equations and inequalities

  function relationAndValue(a: Node, b: Node, depth: number): Rule {
    const [relation, other] = (a.kind === "relation" ? [a, b] : [b, a]) as [Node & { kind: "relation" }, Node];
    const isPrediction = relation === a;
    const against = (value: Node) =>
      isPrediction ? compare(value, other, depth + 1) : compare(other, value, depth + 1);
    if (other.kind === "sequence" || other.kind === "union") {
      const interval = asInterval(relation);
      const rule = interval && against(interval);
      if (rule) return rule;
    }
    if (other.kind === "set" && !relation.ops.includes("=")) return undefined;
    const value = saidBy(relation, isPrediction);
    return value && against(value);
  }

  function relations(a: Node & { kind: "relation" }, b: Node & { kind: "relation" }, depth: number): Rule {
    if (depth > 8) return undefined;
    const [x, y] = [ascending(a), ascending(b)];
    if (x.ops.every((op) => op === ":") && y.ops.every((op) => op === ":")) return ratios(x, y, depth);
    if (x.ops.join() !== y.ops.join()) return undefined;
    if (x.parts.every((part, i) => compare(part, y.parts[i]!, depth + 1))) return "same relation";
    if (x.ops.length !== 1) return undefined;
    const [op] = x.ops;
    const [left, right] = [x.parts[0]!, x.parts[1]!];
    const [left2, right2] = [y.parts[0]!, y.parts[1]!];
    if (op === "=") {
      if (isConstant(left) && isConstant(left2)) return compare(right, right2, depth + 1);
      if (isConstant(left) && isLabel(left2)) return compare(right, right2, depth + 1);
      const renamed = renamedDefinition(left, left2, right);
      if (renamed) return compare(renamed, right2, depth + 1) && "same definition";
      if (isSequence(right) || isSequence(right2)) return undefined;
    }
    if (op !== "=" && op !== "!=" && op !== "<" && op !== "<=") return undefined;
    const [f, g] = [operation("+", left, minus(right)), operation("+", left2, minus(right2))];
    const exact = algebra.proportion(f, g);
    const sign = exact ?? Math.sign(constantRatio(f, g, budget) ?? 0);
    if (op === "=" || op === "!=") return sign !== 0 ? "proportional equations" : undefined;
    return sign > 0 ? "proportional inequalities" : undefined;
  }

  /** a : b : c up to a common factor. */
  function ratios(a: Node & { kind: "relation" }, b: Node & { kind: "relation" }, depth: number): Rule {
    if (a.parts.length !== b.parts.length) return undefined;
    const cross = (i: number) =>
      compare(operation("*", a.parts[0]!, b.parts[i]!), operation("*", b.parts[0]!, a.parts[i]!), depth + 1);
    const zero = (node: Node) => node.kind === "number" && node.value.n === 0n;
    if ([...a.parts, ...b.parts].some(zero)) return all(a.parts, b.parts, depth, "same ratio");
    return a.parts.slice(1).every((_, i) => cross(i + 1)) ? "same ratio" : undefined;
  }

  /** The right side of W(n) = … with the variable that W(x) = … uses. */
  function renamedDefinition(a: Node, b: Node, right: Node): Node | undefined {
    if (a.kind !== "call" || b.kind !== "call" || a.name !== b.name || a.args.length !== b.args.length)
      return undefined;
    let renamed = right;
    for (const [i, from] of a.args.entries()) {
      const to = b.args[i]!;
      if (from.kind !== "symbol" || to.kind !== "symbol") return undefined;
      if (some(renamed, (node) => node.kind === "symbol" && node.name === to.name) && from.name !== to.name)
        return undefined;
      renamed = rename(renamed, from.name, to.name);
    }
    return renamed;
  }
}
