/** @file LaTeX's commands as tokens. */

import { lexText } from "./lex-words.ts";
import { braced, type Scan } from "./scan.ts";
import { BRACKETS, SIGN_COMMANDS } from "./signs.ts";
import { isSignToken, isValue, type Token, Unreadable } from "./tokens.ts";
import { CURRENCY_COMMANDS } from "./unit-names.ts";
import { GREEK, LAYOUT, NAMED, PREFIX_FUNCTIONS, RELATIONS, TEXT_COMMANDS } from "./words.ts";

/** Commands whose argument is a name. */
const RAW_COMMANDS: ReadonlySet<string> = new Set(["begin", "end"]);
/** Commands whose arguments say nothing, with how many they have: what is struck out is no answer. */
const SILENT_ARGUMENTS: Readonly<Record<string, number>> = {
  ...{ tag: 1, label: 1, phantom: 1, hphantom: 1, vphantom: 1, hspace: 1, vspace: 1 },
  ...{ cancel: 1, bcancel: 1, xcancel: 1, sout: 1, st: 1, color: 1, textcolor: 1, colorbox: 1, fcolorbox: 2 },
};
/** \mu before m, s or g makes it a millionth. */
const MICRO = /^.?\s?\\(?:text|mathrm|rm)\s?\{\s?(?:m|s|g|L|A|V|W|J|N|F|C|Pa)\s?\}/;

/** What begins with a backslash; words in braces are read by `lex`. */
export function lexCommand(scan: Scan, lex: (text: string) => Token[]): void {
  const { source, push } = scan;
  scan.at++;
  const name = scan.match(/[A-Za-z]+\*?/y)?.[0].replace("*", "");
  if (name === undefined) {
    escaped(scan, source[scan.at++]);
    return;
  }
  scan.at += source[scan.at] === " " ? 1 : 0;
  const bracket = BRACKETS[name];
  if (name === "not") {
    const negated = scan.match(/\s*(?:=|\\in(?![A-Za-z]))/y)?.[0].trim();
    if (negated !== "=") throw new Unreadable("a relation is negated");
    push({ type: "relation", op: "!=" });
  } else if (bracket) {
    push({ type: bracket[0], bracket: bracket[1] });
    scan.depth += bracket[0] === "open" ? 1 : -1;
  } else if ((name === "quad" || name === "qquad") && partsEquations(scan)) push({ type: "sign", sign: "," });
  else if (name === "times") push({ type: "sign", sign: "*", cross: true });
  else if (SIGN_COMMANDS[name]) push({ type: "sign", sign: SIGN_COMMANDS[name] });
  else if (Object.hasOwn(RELATIONS, name)) push({ type: "relation", op: RELATIONS[name]! });
  else if (LAYOUT.has(name)) {
    if ((name === "left" || name === "right") && source[scan.at] === ".") scan.at++;
    scan.space = true;
  } else if (PREFIX_FUNCTIONS.has(name) || ["min", "max", "gcd", "lcm"].includes(name))
    push({ type: "function", name });
  else if (name === "mu" && isValue(scan.tokens.at(-1)) && MICRO.test(source.slice(scan.at - 1, scan.at + 30)))
    push({ type: "text", text: `μ${scan.match(/\s?\\(?:text|mathrm|rm)\s?\{\s?([A-Za-z]+)\s?\}/y)?.[1] ?? ""}` });
  else if (GREEK.has(name)) push({ type: "symbol", name });
  else if (Object.hasOwn(NAMED, name)) push({ type: "symbol", name: NAMED[name]! });
  else if (TEXT_COMMANDS.has(name) && source[scan.at] === "{") {
    const words = braced(source, scan.at);
    scan.at += words.length + 2;
    lexText(words, scan.tokens.at(-1), push, lex);
  } else if (Object.hasOwn(SILENT_ARGUMENTS, name)) {
    scan.space = true;
    for (let i = 0; i < SILENT_ARGUMENTS[name]! && source[scan.at] === "{"; i++)
      scan.at += braced(source, scan.at).length + 2;
  } else if (Object.hasOwn(CURRENCY_COMMANDS, name)) push({ type: "unit", name: CURRENCY_COMMANDS[name]! });
  else if (name === "surd") push({ type: "command", name: "sqrt" });
  else if (RAW_COMMANDS.has(name) && source[scan.at] === "{") {
    const words = braced(source, scan.at);
    scan.at += words.length + 2;
    push({ type: "command", name });
    push({ type: "text", text: words });
  } else if (!TEXT_COMMANDS.has(name)) push({ type: "command", name });
}

/** A wide space between two equations parts them. */
function partsEquations({ source, at, tokens, depth }: Scan): boolean {
  const since = tokens.findLastIndex((token) => isSignToken(token, ",", ";", "and", "or"));
  const isRelation = (token: Token) => token.type === "relation" && token.op !== ":";
  return (
    depth === 0 &&
    tokens.slice(since + 1).some(isRelation) &&
    /^[^,;\\]{1,40}(?:[=<>≤≥]|\\(?:leq?|geq?|neq?|in)\b)/.test(source.slice(at, at + 60))
  );
}

/** A sign after a backslash. */
function escaped(scan: Scan, c: string | undefined): void {
  const { push } = scan;
  if (c === "{" || c === "}") {
    push({ type: c === "{" ? "open" : "close", bracket: "set" });
    scan.depth += c === "{" ? 1 : -1;
  } else if (c === "%") push({ type: "sign", sign: "percent" });
  else if (c === "|") push({ type: "sign", sign: "norm" });
  else if (c === "\\") push({ type: "sign", sign: "newline" });
  else if (c === "$") push({ type: "unit", name: "dollar" });
  else scan.space = true;
}
