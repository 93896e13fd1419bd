/** @file What stands between the operators: numbers, symbols, functions, brackets and LaTeX commands. */

import { minus } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { print } from "../print.ts";
import { call, type Node, number, operation, some, substitute, symbol, symbols } from "../tree.ts";
import { absolute, bracketed, bracketedAfter } from "./brackets.ts";
import type { Cursor } from "./cursor.ts";
import { fractionOrDerivative } from "./derivatives.ts";
import { environment } from "./environments.ts";
import { functionOf } from "./functions.ts";
import { isFraction, numberAt, plainNumber } from "./numbers.ts";
import { withUnit } from "./phrases.ts";
import { power, script } from "./powers.ts";
import { application, applied, geometric } from "./symbols.ts";
import { additive, term } from "./terms.ts";
import { type Token, unreadable } from "./tokens.ts";
import { CURRENCIES } from "./unit-names.ts";
import { ACCENTS, DRESS } from "./words.ts";

const BINOMIALS = new Set(["binom", "dbinom", "tbinom"]);
const BIG_OPERATORS = new Set(["sum", "prod", "int", "iint", "oint", "lim"]);
const MONEY = new Set([...Object.values(CURRENCIES), "dollar"]);
/** Commands that are no value. */
const NO_VALUE = new Set(
  "circ degree bmod mod pmod pod end over choose brace Rightarrow implies iff forall exists".split(" "),
);

/** One value. */
export function atom(cursor: Cursor): Node {
  return cursor.nested(() => {
    const token = cursor.peek();
    cursor.skip();
    switch (token?.type) {
      case "number":
        return numberAt(cursor, token);
      case "symbol":
        return token.name === "angle" || token.name === "triangle"
          ? geometric(cursor, token.name)
          : applied(cursor, token.name);
      case "function":
        return application(cursor, token.name);
      case "open":
        return bracketed(cursor, token.bracket);
      case "command":
        return command(cursor, token.name);
      case "text":
        // "Yes, because 2 > 1" is Yes.
        if (/^(?:yes|no|true|false)\b.*\b(?:because|since|as)\s*$/i.test(token.text)) {
          let open = 0;
          for (let next = cursor.peek(); next && !(next.type === "close" && open === 0); next = cursor.peek()) {
            open += next.type === "open" ? 1 : next.type === "close" ? -1 : 0;
            cursor.skip();
          }
        }
        return { kind: "text", text: token.text };
      case "unit":
        if (MONEY.has(token.name) && cursor.peek()?.type === "number") return withUnit(power(cursor), token.name);
        // $-4.50
        if (MONEY.has(token.name) && cursor.isSign("-") && cursor.peek(1)?.type === "number") {
          cursor.skip();
          return minus(withUnit(power(cursor), token.name));
        }
        // "cm" is c·m where no value stands before it.
        if (/^[A-Za-z]+$/.test(token.name) && !MONEY.has(token.name) && token.name !== "degree")
          return [...token.name].map(symbol).reduce((a, b) => operation("*", a, b));
        break;
      case "sign":
        if (token.sign === "|" || token.sign === "norm") return absolute(cursor, token.sign);
    }
    return unreadable("a value is missing");
  });
}

/** The argument of a command: a group, or one token; `digit` takes a single digit of a number. */
export function argument(cursor: Cursor, digit = false): Node {
  return cursor.nested(() => {
    const { peek, skip, takeSign } = cursor;
    const token = peek();
    if (token?.type === "open" && token.bracket === "{") return bracketedAfter(cursor);
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
    if (takeSign("-")) return minus(argument(cursor, digit));
    if (token?.type !== "symbol") return atom(cursor);
    skip();
    return symbol(token.name);
  });
}

function command(cursor: Cursor, name: string): Node {
  if (isFraction(name)) return fractionOrDerivative(argument(cursor, true), argument(cursor, true));
  if (BINOMIALS.has(name)) return call("binom", argument(cursor, true), argument(cursor, true));
  if (name === "sqrt" || name === "cbrt") return root(cursor, name);
  if (name === "begin") return environment(cursor);
  if (Object.hasOwn(ACCENTS, name)) {
    const dressed = argument(cursor);
    if (dressed.kind === "number" && (ACCENTS[name] === "vec" || cursor.isSign("_"))) return dressed;
    return (
      (ACCENTS[name] === "bar" ? conjugate(dressed) : undefined) ??
      applied(cursor, `${ACCENTS[name]}:${print(dressed)}`)
    );
  }
  if (DRESS.has(name)) {
    const dressed = argument(cursor);
    // What is written under a brace names it.
    if (name.endsWith("brace")) while (cursor.takeSign("_", "^")) script(cursor);
    return dressed;
  }
  if (BIG_OPERATORS.has(name)) return bigOperator(cursor, name);
  if (name === "angle" || name === "triangle" || name === "measuredangle") return geometric(cursor, name);
  if (name === "e") return symbol("e");
  if (NO_VALUE.has(name) || name.endsWith("dots")) return unreadable(`\\${name} is no value`);
  return applied(cursor, `\\${name}`);
}

/** The conjugate of a complex number. */
function conjugate(node: Node): Node | undefined {
  const isComplex = symbols(node).size === 0 && some(node, (child) => child.kind === "symbol" && child.name === "i");
  return isComplex ? substitute(node, "i", minus(symbol("i"))) : undefined;
}

/** A root behind its name, with the index in square brackets. */
export function root(cursor: Cursor, name: string): Node {
  let index: Node | undefined = name === "cbrt" ? number(integer(3)) : undefined;
  if (cursor.isBracket("open", "[")) {
    cursor.skip();
    index = additive(cursor);
    cursor.expect("]");
  }
  const radicand = argument(cursor);
  return index ? call("root", radicand, index) : call("sqrt", radicand);
}

function bigOperator(cursor: Cursor, name: string): Node {
  const bounds: (Node & { kind: "call" })[] = [];
  for (let sign = cursor.takeSign("_", "^"); sign; sign = cursor.takeSign("_", "^"))
    bounds.push({ kind: "call", name: sign, args: [script(cursor)] });
  bounds.sort((a) => (a.name === "_" ? -1 : 1));
  const body = name === "sum" || name === "prod" ? term(cursor) : additive(cursor);
  return functionOf(name, [...bounds, body]);
}
