import { DistillError } from "../../../core/errors.ts";
import type { Term } from "./syntax.ts";

/** The words of one term, or of a function and what it is given, in brackets where they are inside another's. */
export function termOf(words: readonly string[]): Term {
  const queue = [...words];
  const refuse = (what: string): never => {
    throw new DistillError(`A Go template has ${what}: {{ ${words.join(" ")} }}`);
  };
  const list = (inside: boolean): Term => {
    const [name, ...terms] = [queue[0], ...termsUpTo(inside)];
    const [first, ...given] = terms;
    if (!first) return refuse("an empty action");
    if ("name" in first && first.name === name && first.given.length === 0) return { name, given };
    return given.length === 0 ? first : refuse("a value in the place of a function");
  };
  const termsUpTo = (inside: boolean): Term[] => {
    const terms: Term[] = [];
    for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
      if (word === "(") terms.push(list(true));
      else if (word === ")") return inside ? terms : refuse("a bracket that nothing opened");
      else terms.push(single(word) ?? refuse(`${word} where a value stands`));
    }
    return inside ? refuse("a bracket that is not closed") : terms;
  };
  return list(false);
}

function single(word: string): Term | undefined {
  if (word.startsWith('"')) return { literal: JSON.parse(word) as string };
  if (word.startsWith("`")) return { literal: word.slice(1, -1) };
  if (/^-?\d+$/.test(word)) return { literal: Number(word) };
  if (word === "true" || word === "false") return { literal: word === "true" };
  if (word.startsWith("$")) {
    const [variable, ...fields] = word.split(".");
    return { variable: variable!, fields };
  }
  if (word.startsWith(".")) return { fields: word.split(".").filter(Boolean) };
  return /^\w+$/.test(word) ? { name: word, given: [] } : undefined;
}
