/** @file Regular expressions of module names, as PEFT has them. They may come with files of others. */

import { DistillError } from "../core/errors.ts";
import { withinTime } from "../core/time-limit.ts";

/** Names are short: what takes longer than this for all of them backtracks for ever. */
const MILLISECONDS = 1000;

/** What Python reads in another way than JavaScript does. */
const PYTHON_ONLY = /\\[AZ]|\(\?(?:P|#|\(|[aiLmsux-]+[:)])|[*+?}]\+/;

/** Those of `names` that match `pattern` from their beginning, wrapped by `around`. `key` names it in errors. */
export function matching(
  names: readonly string[],
  pattern: string,
  key: string,
  around: (pattern: string) => string,
): ReadonlySet<string> {
  const shown = pattern.length > 80 ? `${pattern.slice(0, 80)}…` : pattern;
  if (PYTHON_ONLY.test(pattern))
    throw new DistillError(
      `${key}: "${shown}" has an expression that only Python knows. Expected a plain regular expression, without \\A, \\Z, inline flags or (?P<name>…).`,
    );
  let compiled: RegExp;
  try {
    new RegExp(pattern); // alone, so that no parenthesis ends what is around it
    compiled = new RegExp(`^(?:${around(`(?:${pattern})`)})`);
  } catch (error) {
    throw new DistillError(`${key}: "${shown}" is not a regular expression: ${(error as Error).message}.`);
  }
  const found = withinTime(MILLISECONDS, () => new Set(names.filter((name) => compiled.test(name))));
  if (!found)
    throw new DistillError(
      `${key}: "${shown}" takes longer than a second on the names of the model's modules. Give one that does not repeat a repetition, such as (a+)+.`,
    );
  return found.value;
}

/** Names that `pattern` matches as a whole. */
export const matchingWhole = (names: readonly string[], pattern: string, key: string) =>
  matching(names, pattern, key, (p) => `${p}$`);

/** Whether a list names a module: the whole of its name, or its end behind a dot. */
export const isNamed = (module: string, list: readonly string[]): boolean =>
  list.some((name) => module === name || module.endsWith(`.${name}`));
