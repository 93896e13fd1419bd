import { DistillError } from "../../../core/errors.ts";
import { FUNCTIONS, truth } from "./functions.ts";
import type { GoValue, Node, Term } from "./syntax.ts";

/** What names mean: dot, the whole data ($), and variables, the last declared first, which end with the body that declared them. */
type Scope = { dot: GoValue; root: GoValue; variables: { name: string; value: GoValue }[] };

/** What nodes write of their data. */
export const run = (nodes: readonly Node[], data: GoValue): string =>
  body(nodes, { dot: data, root: data, variables: [] });

/** What a variable is assigned lasts, and what is declared here is gone behind it. */
const body = (nodes: readonly Node[], { variables, ...scope }: Scope): string => {
  const inner = { ...scope, variables: [...variables] };
  return nodes.map((node) => written(node, inner)).join("");
};

function written(node: Node, scope: Scope): string {
  if ("text" in node) return node.text;
  if ("print" in node) return String(evaluate(node.print, scope) ?? "<no value>");
  if ("declare" in node) {
    scope.variables.unshift({ name: node.declare, value: evaluate(node.value, scope) });
    return "";
  }
  if ("assign" in node) {
    variable(node.assign, scope).value = evaluate(node.value, scope);
    return "";
  }
  if ("branches" in node) {
    const found = node.branches.find(({ test }) => truth(evaluate(test, scope)));
    return body(found?.body ?? node.otherwise, scope);
  }
  const over = evaluate(node.range, scope);
  if (!Array.isArray(over) || over.length === 0) return body(node.otherwise, scope);
  const { index, item } = node;
  return over
    .map((dot, i) => {
      const named = [...(index ? [{ name: index, value: i }] : []), ...(item ? [{ name: item, value: dot }] : [])];
      return body(node.body, { ...scope, dot, variables: [...named, ...scope.variables] });
    })
    .join("");
}

function variable(name: string, { variables }: Scope) {
  const found = variables.find((one) => one.name === name);
  if (!found) throw new DistillError(`A Go template names the variable ${name}, which nothing declares there.`);
  return found;
}

function evaluate(term: Term, scope: Scope): GoValue {
  if ("literal" in term) return term.literal;
  if ("name" in term) return called(term.name, term.given, scope);
  const start = !("variable" in term)
    ? scope.dot
    : term.variable === "$"
      ? scope.root
      : variable(term.variable, scope).value;
  return term.fields.reduce<GoValue>(
    (value, field) => (value as Record<string, GoValue> | null)?.[field] ?? null,
    start,
  );
}

function called(name: string, given: readonly Term[], scope: Scope): GoValue {
  if (name === "and" || name === "or") {
    let value: GoValue = null;
    for (const term of given) {
      value = evaluate(term, scope);
      if (truth(value) === (name === "or")) break;
    }
    return value;
  }
  const found = FUNCTIONS[name];
  if (found) return found(given.map((term) => evaluate(term, scope)));
  const known = ["and", "or", ...Object.keys(FUNCTIONS)].join(", ");
  throw new DistillError(`A Go template calls ${name}, which is not known here. Expected one of: ${known}.`);
}
