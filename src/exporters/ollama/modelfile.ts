/** @file Ollama's Modelfile, written and read by its documented grammar: commands with a value, in quotes where it has lines or blanks. */

import { DistillError } from "../../core/errors.ts";

export type Command = {
  /** from, template, system, license, adapter, message, or the name of a parameter. */
  name: string;
  value: string;
  /** Whether it is one of PARAMETER. */
  parameter?: boolean;
};

const COMMANDS = ["from", "license", "template", "system", "adapter", "parameter", "message"];

/** The text of a Modelfile. Its quotes have no escapes: what holds three of them cannot be said. */
export const writeModelfile = (commands: readonly Command[]): string =>
  commands
    .map(
      ({ name, value, parameter }) => `${parameter ? `PARAMETER ${name}` : name.toUpperCase()} ${quoted(name, value)}`,
    )
    .join("\n")
    .concat("\n");

function quoted(name: string, value: string): string {
  const lost = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\u00a0\u2000-\u200a\u202f\u205f\u3000]/u.exec(value)?.[0];
  if (lost)
    throw new DistillError(
      `A Modelfile cannot hold the character U+${lost.codePointAt(0)!.toString(16).padStart(4, "0")} of its ${name}: Ollama leaves it out.`,
    );
  if (value.includes('"""'))
    throw new DistillError(`A Modelfile cannot hold the three quotation marks in its ${name}.`);
  if (/^[^\s"][^\s"]*$/.test(value) && !value.startsWith("#")) return value;
  return value.includes('"') || value.includes("\n") ? `"""${value}"""` : `"${value}"`;
}

/** The commands of a Modelfile, or a DistillError with the line that is none. */
export function parseModelfile(text: string): Command[] {
  const commands: Command[] = [];
  let at = 0;
  const refuse = (why: string): never => {
    throw new DistillError(`The Modelfile's line ${text.slice(0, at).split("\n").length} ${why}.`);
  };
  while (at < text.length) {
    const blank = /^(?:\s+|#[^\n]*)/.exec(text.slice(at))?.[0];
    if (blank) {
      at += blank.length;
      continue;
    }
    const next = (pattern: RegExp): string => {
      const [whole, word] = pattern.exec(text.slice(at)) ?? refuse("has no command with a value");
      at += whole!.length;
      return word!;
    };
    const word = next(/^([A-Za-z]+)[ \t]+/);
    const name = word.toLowerCase();
    if (!COMMANDS.includes(name)) refuse(`begins with ${word}. Expected one of: ${COMMANDS.join(", ").toUpperCase()}`);
    const named = name === "parameter" || name === "message" ? next(/^(\w+)[ \t]+/) : undefined;
    const rest = text.slice(at);
    const quote = /^(?:"""|")/.exec(rest)?.[0] ?? "";
    const end = quote ? endOfQuoted(rest, quote) : rest.search(/\n|$/);
    if (end < 0) refuse("opens a quotation that does not end");
    const value = quote ? rest.slice(quote.length, end) : rest.slice(0, end).trim();
    at += end + quote.length;
    commands.push(name === "parameter" ? { name: named!, value, parameter: true } : { name, value });
  }
  if (!commands.some(({ name, parameter }) => name === "from" && !parameter))
    throw new DistillError("The Modelfile has no FROM line.");
  return commands;
}

/** Where the quotation marks stand that end a value: the first ones behind which the line ends. */
function endOfQuoted(rest: string, quote: string): number {
  for (let at = rest.indexOf(quote, quote.length); at >= 0; at = rest.indexOf(quote, at + 1))
    if (/^[ \t]*(?:\n|$)/.test(rest.slice(at + quote.length))) return at;
  return -1;
}
