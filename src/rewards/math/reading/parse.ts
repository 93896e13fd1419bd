/** @file From tokens to a tree, by recursive descent: lists, relations, sums and products. */

import { matrixPower, minus, product, quotient, sum } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { call, type Node, number, operation, type Relation } from "../tree.ts";
import { createAtoms } from "./atoms.ts";
import { type Cursor, openCursor, unreadable } from "./cursor.ts";
import { ACCENTS, DRESS, UNIT_PARTS } from "./words.ts";

/** The tree of an answer; throws `Unreadable` where it is no mathematics and `Beyond` at a limit. */
export function parse(source: string): Node {
  const cursor = openCursor(source);
  const node = createGrammar(cursor).separated();
  if (cursor.peek()) unreadable("something follows the answer");
  return node;
}

/** What the rules of the two files call in each other. */
export type Grammar = {
  separated(): Node;
  relation(): Node;
  additive(): Node;
  term(): Node;
  power(): Node;
  script(): Node;
  beginsFactor(): boolean;
};

export const ATOM_COMMANDS: ReadonlySet<string> = new Set(
  `frac dfrac tfrac cfrac binom dbinom tbinom sqrt cbrt begin sum prod int iint oint lim e angle triangle
  measuredangle`.split(/\s+/),
);

function createGrammar(cursor: Cursor): Grammar {
  const { peek, skip, takeSign, isCommand, isSign, isBracket, isUnit, nested } = cursor;
  const grammar: Grammar = { separated, relation, additive, term, power, script, beginsFactor };
  const atoms = createAtoms(cursor, grammar);
  return grammar;

  /** Items between separators. Semicolons group the items between commas. */
  function separated(): Node {
    const groups: Node[][] = [[]];
    let joint: "," | "and" | "or" = ",";
    let semicolons = 0;
    while (isSign("newline")) skip();
    do {
      if (isCommand("dots") || isCommand("ldots") || isCommand("cdots")) {
        skip();
        groups.at(-1)!.push({ kind: "symbol", name: "dots" });
      } else groups.at(-1)!.push(relation());
      let separator = takeSign(...SEPARATORS);
      if (!separator) break;
      for (; separator; separator = takeSign(...SEPARATORS))
        if (separator === ";") {
          semicolons++;
          groups.push([]);
        } else if (separator === "and" || separator === "or") joint = separator;
    } while (peek() && peek()!.type !== "close");
    const full = groups.filter((group) => group.length > 0);
    const set = (items: Node[]): Node =>
      items.length === 1 ? items[0]! : { kind: "set", written: false, joint, items };
    return semicolons > 0 && full.some((group) => group.length > 1) ? set(full.map(set)) : set(full.flat());
  }

  /** A chain of comparisons: a < x ≤ b. */
  function relation(): Node {
    return nested(() => {
      const parts = [union()];
      const ops: Relation[] = [];
      for (let token = peek(); token?.type === "relation"; token = peek()) {
        skip();
        ops.push(token.op);
        parts.push(union());
      }
      skipNouns();
      const modulus = modulusAfter();
      if (modulus) parts.push(call("pmod", parts.pop()!, modulus));
      return ops.length === 0 ? parts[0]! : { kind: "relation", parts, ops };
    });
  }

  /** (mod 5), written with \pmod or in brackets. */
  function modulusAfter(): Node | undefined {
    if (isCommand("pmod") || isCommand("pod")) {
      skip();
      return atoms.argument();
    }
    if (!isBracket("open", "(") || !(isCommand("bmod", 1) || isCommand("mod", 1))) return undefined;
    skip(2);
    const modulus = additive();
    cursor.expect(")");
    return modulus;
  }

  function union(): Node {
    const items = [additive()];
    let op: "union" | "intersection" | "difference" | undefined;
    for (let sign = takeSign(...SET_SIGNS); sign; sign = takeSign(...SET_SIGNS)) {
      if (op && op !== sign) unreadable("unions and intersections are mixed without brackets");
      op = sign as NonNullable<typeof op>;
      items.push(additive());
    }
    return op ? { kind: "union", op, items } : items[0]!;
  }

  function additive(): Node {
    let left = term();
    for (let sign = takeSign("+", "-", "pm", "mp"); sign; sign = takeSign("+", "-", "pm", "mp")) {
      const right = term();
      if (sign === "pm" || sign === "mp") left = { kind: "plus-minus", upper: sign === "pm" ? 1 : -1, left, right };
      else left = sum(left, sign === "-" ? minus(right) : right);
    }
    return left;
  }

  function term(): Node {
    let left = signed();
    for (;;) {
      if (takeSign("*")) left = product(left, signed());
      else if (takeSign("/")) left = unitOrQuotient(left);
      else if (isCommand("bmod") || isCommand("mod")) {
        skip();
        left = call("mod", left, signed());
      } else if (beginsFactor()) left = product(left, power());
      else return left;
    }
  }

  /** a / b, or a unit such as km/h. */
  function unitOrQuotient(left: Node): Node {
    const token = peek();
    if (left.kind !== "quantity" || !(token?.type === "unit" || token?.type === "symbol" || token?.type === "word"))
      return quotient(left, signed());
    skip();
    const name = token.type === "word" ? token.text : token.name;
    return { ...left, unit: `${left.unit}/${name}${takeSign("^") ? `^${atoms.plain(script())}` : ""}` };
  }

  function signed(): Node {
    return nested(() => {
      const sign = takeSign("+", "-", "pm", "mp");
      if (sign === "-") return minus(signed());
      if (sign === "+") return signed();
      if (sign) return { kind: "plus-minus", upper: sign === "pm" ? 1 : -1, left: undefined, right: term() };
      return power();
    });
  }

  function beginsFactor(): boolean {
    const token = peek();
    switch (token?.type) {
      case "symbol":
      case "function":
        return true;
      case "number": {
        // Two plain numbers side by side are no product; after a power, a bracket or a letter they are.
        const last = peek(-1);
        return last?.type !== "number" || isSign("^", -2) || isSign("_", -2);
      }
      case "open":
        if (token.bracket === "(" && (isCommand("bmod", 1) || isCommand("mod", 1))) return false;
        return token.bracket !== "set" && token.bracket !== "angle";
      case "command":
        return ATOM_COMMANDS.has(token.name) || Object.hasOwn(ACCENTS, token.name) || DRESS.has(token.name);
      case "sign":
        return token.sign === "|" && !cursor.inBars();
      default:
        return false;
    }
  }

  function power(): Node {
    return nested(() => {
      let base = postfixed(atoms.atom());
      while (takeSign("^")) {
        const wrapped = isBracket("open", "{") ? 1 : 0;
        if (isCommand("circ", wrapped) || isCommand("degree", wrapped) || isUnit("degree", wrapped)) {
          skip(wrapped ? 3 : 1);
          base = { kind: "quantity", value: base, unit: "degree" };
        } else {
          const exponent = script();
          base = inverseFunction(base, exponent) ?? raised(base, exponent);
        }
        base = postfixed(base);
      }
      return base;
    });
  }

  function raised(base: Node, exponent: Node): Node {
    if (base.kind === "matrix") return matrixPower(base.rows, exponent);
    return base.kind === "quantity" && base.unit !== "degree"
      ? { ...base, unit: `${base.unit}^${atoms.plain(exponent)}` }
      : operation("^", base, exponent);
  }

  /** f^{-1}(x) */
  function inverseFunction(base: Node, exponent: Node): Node | undefined {
    if (base.kind !== "symbol" || !/^[fgh]$/.test(base.name) || !isBracket("open", "(")) return undefined;
    return exponent.kind === "number" && exponent.value.n === -1n && exponent.value.d === 1n
      ? atoms.applied(`${base.name}'^-1`)
      : undefined;
  }

  /** What ^ or _ governs: a group, or one token with its sign. */
  function script(): Node {
    return nested(() => {
      if (isBracket("open", "{")) return atoms.argument();
      const sign = takeSign("+", "-");
      if (sign) return sign === "-" ? minus(script()) : script();
      if (isSign("*")) {
        skip();
        return { kind: "symbol", name: "*" };
      }
      const value = peek()?.type === "number" ? atoms.argument() : atoms.atom();
      return takeSign("!") ? call("factorial", value) : value;
    });
  }

  function postfixed(value: Node): Node {
    let node = value;
    for (;;) {
      const token = peek();
      if (token?.type === "sign") {
        if (token.sign === "!") {
          skip();
          node = call(takeSign("!") ? "double factorial" : "factorial", node);
        } else if (token.sign === "percent") {
          skip();
          node = { kind: "percent", value: node };
        } else if (token.sign === "'") {
          skip();
          node = node.kind === "symbol" ? atoms.applied(`${node.name}'`) : call("derivative", node);
        } else if (token.sign === "_") {
          const written = peek(-1);
          skip();
          node = atoms.subscripted(node, written?.type === "number" ? written.text : undefined);
        } else return node;
      } else if (token?.type === "scale") {
        skip();
        node = product(node, number(integer(token.value)));
      } else if (isCommand("degree") || isCommand("circ")) {
        skip();
        node = { kind: "quantity", value: node, unit: "degree" };
      } else if (token?.type === "unit" || (token?.type === "word" && UNIT_PARTS.has(token.text))) {
        node = { kind: "quantity", value: node, unit: takeUnit() };
      } else if (token?.type === "text" && node.kind !== "text") {
        skip();
        node = { kind: "quantity", value: node, unit: token.text };
      } else return node;
    }
  }

  function takeUnit(): string {
    const parts: string[] = [];
    for (let token = peek(); token; token = peek()) {
      if (token.type === "unit") parts.push(token.name);
      else if (token.type === "word" && UNIT_PARTS.has(token.text)) parts.push(token.text);
      else break;
      skip();
      if (token.type === "unit" && token.name === "degree") break;
    }
    return parts.join(" ");
  }

  /** English words after a value, which say nothing: "12 apples". */
  function skipNouns(): void {
    if (peek()?.type !== "word" && peek()?.type !== "text") return;
    while (peek() && ["word", "text", "symbol", "unit"].includes(peek()!.type)) skip();
  }
}

const SEPARATORS = [",", ";", "and", "or"];
const SET_SIGNS = ["union", "intersection", "difference"];
