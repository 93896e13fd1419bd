/** @file What stands between the operators: numbers, symbols, functions, brackets and LaTeX commands. */

import { determinant, minus } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { print } from "../print.ts";
import { call, type Node, number, operation, symbol } from "../tree.ts";
import { type Cursor, unreadable } from "./cursor.ts";
import { environment } from "./environments.ts";
import type { Token } from "./lex.ts";
import { functionOf, standardName } from "./functions.ts";
import { isFraction, numberAt, plainNumber } from "./numbers.ts";
import type { Grammar } from "./parse.ts";
import { ACCENTS, DRESS, PREFIX_FUNCTIONS } from "./words.ts";

const BINOMIALS = new Set(["binom", "dbinom", "tbinom"]);
const BIG_OPERATORS = new Set(["sum", "prod", "int", "iint", "oint", "lim"]);
/** Commands that are no value. */
const NO_VALUE = new Set(
  "circ degree bmod mod pmod pod end over choose Rightarrow implies iff forall exists".split(" "),
);

/** Letters that name functions wherever a bracket follows. */
const FUNCTION_LETTERS = /^[fghFGH](?:_.*|'+|'\^-1)?$/;

export type Atoms = ReturnType<typeof createAtoms>;

/** The rules for atoms, over those for what atoms contain. */
export function createAtoms(cursor: Cursor, grammar: Grammar) {
  const { peek, skip, takeSign, isBracket, nested } = cursor;
  return { atom, argument, applied, subscripted, plain: print };

  function atom(): Node {
    return nested(() => {
      const token = peek();
      skip();
      switch (token?.type) {
        case "number":
          return numberAt(cursor, token);
        case "symbol":
          return token.name === "angle" || token.name === "triangle" ? geometric(token.name) : applied(token.name);
        case "function":
          return application(token.name);
        case "open":
          return bracketed(token.bracket);
        case "command":
          return command(token.name);
        case "text":
          return { kind: "text", text: token.text };
        case "unit":
          // "cm" is c·m where no value stands before it.
          if (token.name !== "degree") return [...token.name].map(symbol).reduce((a, b) => operation("*", a, b));
          break;
        case "sign":
          if (token.sign === "|" || token.sign === "norm") return absolute(token.sign);
      }
      return unreadable("a value is missing");
    });
  }

  // ---- symbols and functions

  /** A symbol, or a function of the bracket that follows it. */
  function applied(name: string): Node {
    if (!isBracket("open", "(") || !(FUNCTION_LETTERS.test(name) || isDefinition())) return symbol(name);
    skip();
    return functionOf(name, listUntil(")"));
  }

  /** Whether "=" follows the bracket here, and nothing but a symbol stands before it: "W(n) =". */
  function isDefinition(): boolean {
    if (peek(-1)?.type !== "symbol") return false;
    const before = peek(-2);
    if (before && !(before.type === "sign" && [",", ";", "and", "or"].includes(before.sign))) return false;
    let level = 0;
    for (let ahead = 0; ahead < 16; ahead++) {
      const token = peek(ahead);
      if (token?.type === "open") level++;
      if (token?.type === "close" && --level === 0) {
        const next = peek(ahead + 1);
        return next?.type === "relation" && next.op === "=";
      }
    }
    return false;
  }

  /** ∠ABC and △ABC are one symbol each. */
  function geometric(name: string): Node {
    let letters = "";
    for (let token = peek(); token?.type === "symbol"; token = peek()) {
      letters += token.name;
      skip();
    }
    return symbol(`${name} ${letters}`);
  }

  function subscripted(node: Node, digits?: string): Node {
    const index = grammar.script();
    if (node.kind === "symbol") return applied(`${node.name}_${print(index)}`);
    if (node.kind !== "number") return call("index", node, index);
    if (digits === undefined) return unreadable("a subscript stands alone");
    return { kind: "based", digits: digits.replace(/^0+(?=\d)/, ""), base: print(index) };
  }

  function application(name: string): Node {
    let base: Node | undefined;
    let exponent: Node | undefined;
    for (let sign = takeSign("_", "^"); sign; sign = takeSign("_", "^"))
      if (sign === "_") base = grammar.script();
      else exponent = grammar.script();
    const standard = standardName(name);
    if (standard === "sqrt" || standard === "cbrt") return root(standard);
    let args: Node[];
    if (isBracket("open", "(")) {
      skip();
      args = cursor.insideBars(0, () => listUntil(")"));
    } else args = isBracket("open", "set") ? setArguments() : [functionArgument()];
    const inverse = exponent?.kind === "number" && exponent.value.n === -1n && exponent.value.d === 1n;
    if (inverse && PREFIX_FUNCTIONS.has(`arc${standard}`)) return functionOf(`arc${standard}`, args);
    if (standard === "det" && args[0]?.kind === "matrix") return determinant(args[0].rows);
    const value = base ? functionOf(`${standard} base`, [base, ...args]) : functionOf(standard, args);
    return exponent ? operation("^", value, exponent) : value;
  }

  function setArguments(): Node[] {
    const list = bracketedAfter();
    return list.kind === "set" ? list.items : [list];
  }

  function bracketedAfter(): Node {
    const token = peek();
    skip();
    return token?.type === "open" ? bracketed(token.bracket) : unreadable("a bracket is missing");
  }

  /** The product of plain factors after a function without brackets: sin 2x. */
  function functionArgument(): Node {
    if (takeSign("-")) return minus(functionArgument());
    let node = grammar.power();
    while (grammar.beginsFactor()) {
      const token = peek()!;
      if (token.type === "function" || (token.type === "open" && token.bracket !== "{")) break;
      node = operation("*", node, grammar.power());
    }
    return node;
  }

  function listUntil(close: string): Node[] {
    const items: Node[] = [];
    while (!isBracket("close", close)) {
      items.push(grammar.relation());
      if (!takeSign(",", ";")) break;
    }
    cursor.expect(close);
    return items;
  }

  // ---- brackets

  function absolute(sign: string): Node {
    const inner = cursor.insideBars(1, grammar.additive);
    if (!takeSign(sign)) unreadable("a | is missing");
    if (sign === "norm") return call("norm", inner);
    return inner.kind === "matrix" ? determinant(inner.rows) : call("abs", inner);
  }

  function bracketed(open: string): Node {
    return cursor.insideBars(0, () => {
      if (open === "(" || open === "[") return roundOrSquare(open);
      if (open === "floor" || open === "ceil") {
        const inner = grammar.additive();
        cursor.expect(open);
        return call(open, inner);
      }
      if (isBracket("close", open)) {
        skip();
        return open === "set" ? symbol("emptyset") : unreadable("braces are empty");
      }
      const list = grammar.separated();
      cursor.expect(open);
      if (open === "angle") return { kind: "sequence", open: "(", close: ")", items: itemsOf(list) };
      return open === "set" ? { kind: "set", written: true, joint: ",", items: itemsOf(list) } : list;
    });
  }

  function roundOrSquare(open: "(" | "["): Node {
    const list = isBracket("close", open === "(" ? ")" : "]") ? undefined : grammar.separated();
    const token = peek();
    if (token?.type !== "close" || (token.bracket !== ")" && token.bracket !== "]"))
      return unreadable("a bracket is not closed");
    skip();
    const items = list ? itemsOf(list) : [];
    const matching = (open === "(") === (token.bracket === ")");
    return items.length === 1 && matching ? items[0]! : { kind: "sequence", open, close: token.bracket, items };
  }

  function itemsOf(list: Node): Node[] {
    return list.kind === "set" && !list.written ? list.items : [list];
  }

  // ---- commands

  /** The argument of a command: a group, or one token; `digit` takes a single digit of a number. */
  function argument(digit = false): Node {
    return nested(() => {
      const token = peek();
      if (token?.type === "open" && token.bracket === "{") return bracketedAfter();
      if (token?.type === "number") {
        if (digit && /^\d{2,}$/.test(token.text)) {
          const [first, rest] = [token.text[0]!, token.text.slice(1)];
          cursor.replaceNext(
            { ...token, text: first, value: integer(BigInt(first)) },
            { ...token, space: false, text: rest, value: integer(BigInt(rest)) },
          );
        }
        const taken = peek() as Token & { type: "number" };
        skip();
        return plainNumber(taken);
      }
      if (takeSign("-")) return minus(argument(digit));
      if (token?.type !== "symbol") return atom();
      skip();
      return symbol(token.name);
    });
  }

  function command(name: string): Node {
    if (isFraction(name)) return operation("/", argument(true), argument(true));
    if (BINOMIALS.has(name)) return call("binom", argument(true), argument(true));
    if (name === "sqrt" || name === "cbrt") return root(name);
    if (name === "begin") return environment(cursor, grammar);
    if (Object.hasOwn(ACCENTS, name)) return applied(`${ACCENTS[name]}:${print(argument())}`);
    if (DRESS.has(name)) return argument();
    if (name === "textcolor" || name === "color" || name === "tag" || name === "phantom" || name === "hspace") {
      cursor.takeText();
      return name === "textcolor" ? argument() : atom();
    }
    if (BIG_OPERATORS.has(name)) return bigOperator(name);
    if (name === "angle" || name === "triangle" || name === "measuredangle") return geometric(name);
    if (name === "e") return symbol("e");
    if (NO_VALUE.has(name) || name.endsWith("dots")) return unreadable(`\\${name} is no value`);
    return applied(`\\${name}`);
  }

  function root(name: string): Node {
    let index: Node | undefined = name === "cbrt" ? number(integer(3)) : undefined;
    if (isBracket("open", "[")) {
      skip();
      index = grammar.additive();
      cursor.expect("]");
    }
    const radicand = argument();
    return index ? call("root", radicand, index) : call("sqrt", radicand);
  }

  function bigOperator(name: string): Node {
    const bounds: Node[] = [];
    for (let sign = takeSign("_", "^"); sign; sign = takeSign("_", "^")) bounds.push(call(sign, grammar.script()));
    const body = name === "sum" || name === "prod" ? grammar.term() : grammar.additive();
    return functionOf(name, [...bounds, body]);
  }
}
