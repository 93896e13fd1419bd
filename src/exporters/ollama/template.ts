/** @file A chat template of Jinja as one of Go: found by what it writes, and compared with it on other conversations. */

import { DistillError } from "../../core/errors.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { type GoValue, goTemplate, goText } from "./go-template/template.ts";

type Said = { role: "system" | "user" | "assistant"; content: string };

/** A template, and what of the Jinja one it does not say. */
export type OllamaTemplate = { template: string; notes: string[] };

const SYSTEM = "Sentinel of the system";
const USER = ["first sentinel of the user", "second sentinel of the user"] as const;
const ANSWER = "sentinel of the assistant";

const user = (content: string): Said => ({ role: "user", content });
const assistant = (content: string): Said => ({ role: "assistant", content });
const system = (content: string): Said => ({ role: "system", content });

/** The template that Ollama needs to write what the tokenizer's writes, or a DistillError that says why there is none. */
export function ollamaTemplate({ template, render, bos, written }: Tokenizer): OllamaTemplate {
  if (template === undefined)
    throw new DistillError(
      "The student has no chat template, and Ollama asks through one. Give the recipe chat_template.",
    );
  const begin = bos === undefined ? "" : written.bos; // which llama.cpp puts there itself
  const write = (messages: readonly Said[], generate = true) => {
    const text = render(messages, { generate });
    return text.startsWith(begin) ? text.slice(begin.length) : text;
  };
  const parts = partsOf(write);
  const found = inGo(parts);
  const notes = compared(write, found, parts);
  if (/\btools\b/.test(template)) notes.push("Tools, of which the chat template writes, are not in Ollama's template.");
  return { template: found, notes };
}

type Write = (messages: readonly Said[], generate?: boolean) => string;

/** What stands before and behind what is said. */
type Parts = {
  begin: string;
  /** Between the beginning and the first turn where there is a system message; undefined where it is not written. */
  system: { before: string; behind: string; inUserTurn: boolean } | undefined;
  user: { before: string; behind: string };
  assistant: { before: string; behind: string };
  generation: string;
};

function partsOf(write: Write): Parts {
  const [u, v] = USER;
  const around = (text: string, ...said: string[]): string[] => {
    const between: string[] = [];
    let at = 0;
    for (const part of said) {
      const place = text.indexOf(part, at);
      if (place < 0) return refuse(`it does not write "${part}" as it is said, once and in its place`);
      between.push(text.slice(at, place));
      at = place + part.length;
    }
    return [...between, text.slice(at)];
  };
  const [head, userBehind] = around(write([user(u)], false), u) as [string, string];
  const asked = write([user(u)], true);
  const plain = write([user(u)], false);
  if (!asked.startsWith(plain)) return refuse("with a generation prompt it writes other turns than without");
  // an answer as it stands between questions: some templates write the last one otherwise, and none is last where one is asked
  const [, between, next] = around(write([user(u), assistant(ANSWER), user(v)], false), u, ANSWER, v);
  const [, , ends] = around(write([user(u), assistant(ANSWER)], false), u, ANSWER);
  const assistantBefore = behind(between!, userBehind, "what a user says ends otherwise before an answer than alone");
  const userBefore = behind(next!, ends!, "an answer ends otherwise before a question than at the end");
  const begin = before(head, userBefore, "the first question begins otherwise than later ones");
  return {
    begin,
    system: systemOf(write, around, { begin, userBefore }),
    user: { before: userBefore, behind: userBehind },
    assistant: { before: assistantBefore, behind: ends! },
    generation: asked.slice(plain.length),
  };
}

function systemOf(
  write: Write,
  around: (text: string, ...said: string[]) => string[],
  { begin, userBefore }: { begin: string; userBefore: string },
): Parts["system"] {
  let text: string;
  try {
    text = write([system(SYSTEM), user(USER[0])], false);
  } catch (error) {
    if (error instanceof DistillError) return undefined; // it raises an exception, as some do
    throw error;
  }
  if (!text.includes(SYSTEM)) return undefined;
  const [head, between] = around(text, SYSTEM, USER[0]) as [string, string];
  if (between.endsWith(userBefore) && !(head === begin + userBefore && userBefore !== ""))
    return { before: head, behind: between.slice(0, between.length - userBefore.length), inUserTurn: false };
  if (head === begin + userBefore) return { before: "", behind: between, inUserTurn: true };
  return refuse("a system message stands neither in a turn of its own nor at the head of the first question");
}

const behind = (text: string, start: string, otherwise: string): string =>
  text.startsWith(start) ? text.slice(start.length) : refuse(otherwise);
const before = (text: string, end: string, otherwise: string): string =>
  text.endsWith(end) ? text.slice(0, text.length - end.length) : refuse(otherwise);

function refuse(why: string): never {
  throw new DistillError(
    `The chat template cannot be said in the language of Ollama's templates: ${why}. Give the recipe a simpler chat_template, or export gguf, whose own template llama.cpp runs.`,
  );
}

function inGo({ begin, system, user, assistant, generation }: Parts): string {
  const own = system && !system.inUserTurn;
  const head = own
    ? `{{ if .System }}${goText(system.before)}{{ .System }}${goText(system.behind)}{{ else }}${goText(begin)}{{ end }}`
    : goText(begin);
  const merged = system?.inUserTurn
    ? `{{ if and $.System (eq $i 1) }}{{ $.System }}${goText(system.behind)}{{ end }}`
    : "";
  const turn = ({ before, behind }: { before: string; behind: string }, more = "") =>
    `${goText(before)}${more}{{ .Content }}${goText(behind)}`;
  return `${head}{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}${turn(user, merged)}{{ else if eq .Role "assistant" }}${turn(assistant)}{{ end }}{{ end }}${goText(generation)}`;
}

/** What Ollama gives a template: neighbours of one role as one, and all system messages beside them. */
function given(messages: readonly Said[]): GoValue {
  const together: { Role: string; Content: string }[] = [];
  for (const { role, content } of messages) {
    const last = together.at(-1);
    if (last?.Role === role) last.Content += `\n\n${content}`;
    else together.push({ Role: role, Content: content });
  }
  const systems = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  return { System: systems.join("\n\n"), Messages: together, Response: "" };
}

/** Compare both on conversations that neither was made of; what only some of them show is a note. */
function compared(write: Write, template: string, { system: written }: Parts): string[] {
  const run = goTemplate(template);
  const same = (messages: readonly Said[]) => write(messages) === run(given(messages));
  const says = (conversation: readonly Said[]) => conversation.map(({ role }) => role).join(", ");
  const [q, a] = [user("What is 2 + 3?\nShow {{ how }}."), assistant("It is 5.")];
  const turns = [[q], [q, a, user("And 4?")], [q, a, user("And 4?"), assistant("9"), user("Well?")]];
  const headed = written ? turns.map((turn) => [system('Be "brief".'), ...turn]) : [];
  for (const conversation of [...turns, ...headed])
    if (!same(conversation))
      refuse(`for the turns ${says(conversation)} it writes what pieces around each turn do not`);
  const notes: string[] = [];
  if (!written) notes.push("The chat template writes no system message, so Ollama's leaves one out too.");
  if (!same([user("  spaces  "), assistant(" in \n"), q]))
    notes.push(
      "The chat template trims what is said, which Ollama's cannot: give messages without blanks at their ends.",
    );
  if (!same([q, assistant("<think>\nadd\n</think>\n\nIt is 5."), user("Well?")]))
    notes.push(
      "The chat template leaves earlier reasoning out, which Ollama's cannot: give earlier answers without it.",
    );
  return notes;
}
