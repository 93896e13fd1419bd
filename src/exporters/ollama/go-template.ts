/** @file As much of Go's text/template as chat templates need, read and run as its documentation says: what Ollama would write. */

import { DistillError } from "../../core/errors.ts";

export type GoValue = string | number | boolean | null | GoValue[] | { [name: string]: GoValue };

type Term = { literal: GoValue } | { variable: string; fields: string[] } | { fields: string[] } | { call: Term[] };

type Node =
  | { text: string }
  | { print: Term }
  | { set: string; value: Term }
  | { branches: { test: Term; body: Node[] }[]; otherwise: Node[] }
  | { range: Term; index?: string; item?: string; body: Node[]; otherwise: Node[] };

/** A template as a function of its data, or a DistillError with the place that cannot be read. */
export function goTemplate(source: string): (data: GoValue) => string {
  const nodes = parse(source);
  return (data) => render(nodes, { dot: data, root: data, variables: new Map() });
}

/** Text as it stands between actions. */
export const goText = (text: string): string => text.replaceAll("{{", '{{ "{{" }}');

type Piece = { text: string } | { action: string };

/** Text and actions; `{{- ` and ` -}}` take the blanks beside them. */
function pieces(source: string): Piece[] {
  const found: Piece[] = [];
  let [at, trims] = [0, false];
  const pushText = (text: string, trimEnd: boolean) => {
    let kept = trims ? text.replace(/^[ \t\r\n]+/, "") : text;
    if (trimEnd) kept = kept.replace(/[ \t\r\n]+$/, "");
    if (kept) found.push({ text: kept });
  };
  const action = /\{\{(- )?((?:"(?:[^"\\]|\\.)*"|`[^`]*`|(?! -\}\}|\}\})[^"`])*)( -)?\}\}/y;
  for (let start = source.indexOf("{{"); start >= 0; start = source.indexOf("{{", at)) {
    action.lastIndex = start;
    const match = action.exec(source);
    if (!match)
      throw new DistillError(`A Go template has an action that does not end: ${source.slice(start, start + 40)}`);
    pushText(source.slice(at, start), match[1] !== undefined);
    const inner = match[2]!.trim();
    if (!/^\/\*[\s\S]*\*\/$/.test(inner)) found.push({ action: inner });
    [at, trims] = [action.lastIndex, match[3] !== undefined];
  }
  pushText(source.slice(at), false);
  return found;
}

const WORD = /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|:=|=|,|\(|\)|\$\w*(?:\.\w+)*|(?:\.\w+)+|\.|-?\d+|\w+)/y;

function words(action: string): string[] {
  const found: string[] = [];
  WORD.lastIndex = 0;
  for (let at = 0; at < action.length; at = WORD.lastIndex) {
    const match = WORD.exec(action);
    if (!match) throw new DistillError(`A Go template has an action that cannot be read: {{ ${action} }}`);
    found.push(match[1]!);
  }
  return found;
}

function parse(source: string): Node[] {
  const queue = pieces(source);
  const body = (inside: boolean): { nodes: Node[]; end: string } => {
    const nodes: Node[] = [];
    for (let piece = queue.shift(); piece; piece = queue.shift()) {
      if ("text" in piece) nodes.push(piece);
      else if (/^(?:end|else)\b/.test(piece.action)) {
        if (!inside) throw new DistillError(`A Go template has {{ ${piece.action} }} with nothing to end.`);
        return { nodes, end: piece.action };
      } else nodes.push(nodeOf(piece.action, body));
    }
    if (inside) throw new DistillError("A Go template opens an if or a range that no {{ end }} ends.");
    return { nodes, end: "" };
  };
  return body(false).nodes;
}

function nodeOf(action: string, body: (inside: boolean) => { nodes: Node[]; end: string }): Node {
  const [first, ...rest] = words(action);
  if (first === "if") {
    const branches: { test: Term; body: Node[] }[] = [];
    let test = termOf(rest);
    for (;;) {
      const { nodes, end } = body(true);
      branches.push({ test, body: nodes });
      if (end === "end") return { branches, otherwise: [] };
      const [, keyword, ...more] = words(end);
      if (keyword === undefined) return { branches, otherwise: ended(body(true)) };
      if (keyword !== "if") throw new DistillError(`A Go template has {{ ${end} }}. Expected else, or else if.`);
      test = termOf(more);
    }
  }
  if (first === "range") {
    const at = rest.indexOf(":=");
    const names = at < 0 ? [] : rest.slice(0, at).filter((word) => word !== ",");
    const over = termOf(rest.slice(at + 1));
    const { nodes, end } = body(true);
    const otherwise = end === "else" ? ended(body(true)) : [];
    const [index, item] = names.length === 2 ? names : [undefined, names[0]];
    return { range: over, ...(index ? { index } : {}), ...(item ? { item } : {}), body: nodes, otherwise };
  }
  if (first!.startsWith("$") && (rest[0] === ":=" || rest[0] === "="))
    return { set: first!, value: termOf(rest.slice(1)) };
  return { print: termOf([first!, ...rest]) };
}

function ended({ nodes, end }: { nodes: Node[]; end: string }): Node[] {
  if (end !== "end") throw new DistillError(`A Go template has {{ ${end} }} behind an else.`);
  return nodes;
}

/** One term, or a function and what it is given. */
function termOf(all: readonly string[]): Term {
  const queue = [...all];
  const list = (inside: boolean): Term => {
    const terms: Term[] = [];
    for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
      if (word === "(") terms.push(list(true));
      else if (word === ")" && inside) return only(terms, all);
      else terms.push(single(word));
    }
    if (inside) throw new DistillError(`A Go template has a bracket that is not closed: {{ ${all.join(" ")} }}`);
    return only(terms, all);
  };
  return list(false);
}

function only(terms: Term[], all: readonly string[]): Term {
  if (terms.length === 0) throw new DistillError(`A Go template has an empty action: {{ ${all.join(" ")} }}`);
  return terms.length === 1 && !("call" in terms[0]!) ? terms[0]! : terms.length === 1 ? terms[0]! : { call: terms };
}

function single(word: string): Term {
  if (word.startsWith('"')) return { literal: JSON.parse(word) as string };
  if (word.startsWith("`")) return { literal: word.slice(1, -1) };
  if (/^-?\d+$/.test(word)) return { literal: Number(word) };
  if (word === "true" || word === "false") return { literal: word === "true" };
  if (word.startsWith("$")) {
    const [variable, ...fields] = word.split(".");
    return { variable: variable!, fields };
  }
  if (word.startsWith(".")) return { fields: word.split(".").filter(Boolean) };
  return { call: [{ literal: word }] };
}

type Scope = { dot: GoValue; root: GoValue; variables: Map<string, GoValue> };

function render(nodes: readonly Node[], scope: Scope): string {
  return nodes.map((node) => renderOne(node, scope)).join("");
}

function renderOne(node: Node, scope: Scope): string {
  if ("text" in node) return node.text;
  if ("print" in node) return String(evaluate(node.print, scope) ?? "");
  if ("set" in node) {
    scope.variables.set(node.set, evaluate(node.value, scope));
    return "";
  }
  if ("branches" in node) {
    const found = node.branches.find(({ test }) => truth(evaluate(test, scope)));
    return render(found?.body ?? node.otherwise, scope);
  }
  const over = evaluate(node.range, scope);
  if (!Array.isArray(over) || over.length === 0) return render(node.otherwise, scope);
  return over
    .map((dot, i) => {
      const variables = new Map(scope.variables);
      if (node.index) variables.set(node.index, i);
      if (node.item) variables.set(node.item, dot);
      return render(node.body, { ...scope, dot, variables });
    })
    .join("");
}

function evaluate(term: Term, scope: Scope): GoValue {
  if ("literal" in term) return term.literal;
  if ("call" in term) {
    const [name, ...args] = term.call;
    return call(
      String((name as { call?: [{ literal: string }] }).call?.[0].literal ?? (name as { literal: string }).literal),
      args,
      scope,
    );
  }
  const start =
    "variable" in term ? (term.variable === "$" ? scope.root : scope.variables.get(term.variable)) : scope.dot;
  return term.fields.reduce<GoValue>(
    (value, field) => (value as Record<string, GoValue> | null)?.[field] ?? null,
    start ?? null,
  );
}

const truth = (value: GoValue): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && typeof value === "object" ? true : Boolean(value);

function call(name: string, terms: readonly Term[], scope: Scope): GoValue {
  if (name === "and" || name === "or") {
    const wanted = name === "or";
    let value: GoValue = null;
    for (const term of terms) {
      value = evaluate(term, scope);
      if (truth(value) === wanted) break;
    }
    return value;
  }
  const args = terms.map((term) => evaluate(term, scope));
  const found = FUNCTIONS[name];
  if (!found)
    throw new DistillError(
      `A Go template calls ${name}, which is not known here. Expected one of: and, or, ${Object.keys(FUNCTIONS).join(", ")}.`,
    );
  return found(args);
}

const FUNCTIONS: Record<string, (args: GoValue[]) => GoValue> = {
  eq: ([a, ...others]) => others.some((b) => a === b),
  ne: ([a, b]) => a !== b,
  lt: ([a, b]) => a! < b!,
  le: ([a, b]) => a! <= b!,
  gt: ([a, b]) => a! > b!,
  ge: ([a, b]) => a! >= b!,
  not: ([a]) => !truth(a!),
  len: ([a]) => (a as string | GoValue[]).length,
  index: ([list, i]) => (list as GoValue[])[i as number] ?? null,
  slice: ([list, from, to]) => (list as GoValue[]).slice(from as number, to as number | undefined),
};
