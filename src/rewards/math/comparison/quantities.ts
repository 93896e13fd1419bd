/** @file Values with units. */

import * as Q from "../algebra/rational.ts";
import { sameText } from "../extraction/text.ts";
import { areOpposed } from "../reading/prose.ts";
import { isSameKind, isUnit, type Measure, measureOf } from "../reading/units.ts";
import { map, type Node, number, operation, some, symbol } from "../tree.ts";
import type { Comparison, Rule } from "./compare.ts";
import { isConstant } from "./relation.ts";

/**
 * A unit on one side only is left out, and so are nouns. Two units must measure the same kind of thing, and are
 * converted.
 */
export function quantities({ compare }: Comparison, a: Node, b: Node, depth: number): Rule {
  const [p, g] = [withLetters(a, b), withLetters(b, a)];
  if (p.kind === "quantity" && g.kind === "quantity" && areOpposed(p.unit, g.unit)) return undefined;
  const [u, v] = [unitOf(p), unitOf(g)];
  const [x, y] = [valueIn(p), valueIn(g)];
  // n even is not n odd: only a number may have its noun left out.
  if (!u && !v && p.kind === "quantity" && g.kind === "quantity" && !isConstant(x) && !sameText(p.unit, g.unit))
    return undefined;
  if (!u || !v) {
    const rule = compare(x, y, depth + 1);
    if (rule || (!isAngle(u) && !isAngle(v))) return rule;
    // An angle without a unit is in radians: π/4 is 45°.
    return compare(inRadians(p, u), inRadians(g, v), depth + 1) && "degrees as radians";
  }
  if (isAngle(u) && isAngle(v)) return compare(inRadians(p, u), inRadians(g, v), depth + 1);
  if (arePounds(p, g)) return compare(x, y, depth + 1);
  if (!isSameKind(u, v)) return undefined;
  if (u.dimensions.has("unit") || v.dimensions.has("unit") || Q.equals(u.factor, v.factor))
    return compare(x, y, depth + 1);
  const factor = number(Q.divide(u.factor, v.factor));
  return compare(operation("*", x, factor), y, depth + 1) && "converted units";
}

/** Pounds are a weight or money. */
function arePounds(a: Node, b: Node): boolean {
  const units = [a, b].map((node) => (node.kind === "quantity" ? node.unit : ""));
  return units.includes("sterling") && units.some((unit) => /^pounds?$/.test(unit));
}

const unitOf = (node: Node): Measure | undefined => (node.kind === "quantity" ? measureOf(node.unit) : undefined);
const valueIn = (node: Node): Node => (node.kind === "quantity" ? node.value : node);

const isAngle = (unit: Measure | undefined) =>
  unit?.dimensions.size === 1 && (unit.dimensions.get("angle") === 1 || unit.dimensions.get("radian") === 1);

const inRadians = (node: Node, unit: Measure | undefined): Node =>
  unit?.dimensions.has("angle")
    ? operation("*", operation("/", valueIn(node), number(Q.integer(180))), symbol("pi"))
    : valueIn(node);

/** 10 m and 50 m/s, read as products with letters, beside a value with a known unit. */
function withLetters(node: Node, other: Node): Node {
  return unitOf(other) ? asQuantity(node) : node;
}

/** The constant and the unit's letters of a product or quotient. */
function lettersOf(node: Node): { value: Node; unit: string } | undefined {
  if (isConstant(node)) return { value: node, unit: "" };
  if (node.kind === "symbol") return isUnit(node.name) ? { value: number(Q.ONE), unit: node.name } : undefined;
  if (node.kind !== "operation" || node.op === "+") return undefined;
  if (node.op === "^") {
    const whole = node.right.kind === "number" && Q.isInteger(node.right.value) ? node.right.value.n : undefined;
    return node.left.kind === "symbol" && isUnit(node.left.name) && whole !== undefined
      ? { value: number(Q.ONE), unit: `${node.left.name}^${whole}` }
      : undefined;
  }
  const [left, right] = [lettersOf(node.left), lettersOf(node.right)];
  if (!left || !right) return undefined;
  return {
    value: operation(node.op, left.value, right.value),
    unit: right.unit === "" ? left.unit : `${left.unit}${node.op}${right.unit}`,
  };
}

const isMeasured = (node: Node): boolean =>
  some(node, (child) => child.kind === "quantity" && child.unit !== "degree" && measureOf(child.unit) !== undefined);

/** Formulas with units inside: where only one side has some, they are left out. */
export function withoutLoneUnits(a: Node, b: Node): [Node, Node] {
  const [first, second] = [isMeasured(a), isMeasured(b)];
  return [first && !second ? bare(a) : a, second && !first ? bare(b) : b];
}

const bare = (node: Node): Node =>
  map(node, (child) => (child.kind === "quantity" && child.unit !== "degree" ? bare(child.value) : undefined));

/** 5 feet 10 inches: two quantities of one kind side by side, the smaller unit behind, as one. */
export function compound(first: Node, second: Node): Node | undefined {
  const [left, right] = [asQuantity(first), asQuantity(second)];
  const [u, v] = [unitOf(left), unitOf(right)];
  if (left.kind !== "quantity" || right.kind !== "quantity" || !u || !v || !isSameKind(u, v)) return undefined;
  if (Q.compare(v.factor, u.factor) >= 0) return undefined;
  const factor = number(Q.divide(v.factor, u.factor));
  return { ...left, value: operation("+", left.value, operation("*", right.value, factor)) };
}

/** 10 m as a quantity, which may be read as a product with a letter. */
function asQuantity(node: Node): Node {
  const factors = node.kind === "operation" ? lettersOf(node) : undefined;
  return factors && factors.unit !== "" ? { kind: "quantity", value: factors.value, unit: factors.unit } : node;
}

/** "1 hour and 30 minutes", read as a list, as one. */
export function compoundOf(node: Node): Node {
  if (node.kind !== "set" || node.written || node.joint === "or" || node.items.length > 3) return node;
  const [first, ...others] = node.items;
  return others.reduce<Node | undefined>((whole, item) => whole && compound(whole, item), first) ?? node;
}

const UNIT_LETTERS: ReadonlySet<string> = new Set(["m", "s", "g", "h", "l", "L", "Omega"]);

/** The number of "3s" or "12 m²", where the reference has no letters. */
export function withoutUnitLetter(node: Node): Node | undefined {
  if (node.kind !== "operation" || node.op !== "*" || !isConstant(node.left)) return undefined;
  const unit = node.right.kind === "operation" && node.right.op === "^" ? node.right.left : node.right;
  return unit.kind === "symbol" && UNIT_LETTERS.has(unit.name) ? node.left : undefined;
}
