/** @file Jinja chat templates, which come with models and are programs: what one may cost is limited. */

import { DistillError } from "../core/errors.ts";
import { Interpreter } from "./chat-template/evaluate.ts";
import { ARRAY_LIMIT, GLOBALS } from "./chat-template/globals.ts";
import { TEXT_LIMIT } from "./chat-template/methods.ts";
import { Scope } from "./chat-template/scope.ts";
import { type Node, parseTemplate } from "./chat-template/tree.ts";
import { fromJson } from "./chat-template/values.ts";

/** A turn of a conversation; what else it holds (reasoning_content, tool_calls, name …) is for the template to read. */
export type TemplateMessage = { role: string } & Record<string, unknown>;

export type ChatTemplate = (
  messages: readonly TemplateMessage[],
  options: { generate: boolean; tools?: readonly unknown[] | undefined },
) => string;

/** Characters of a template: those of published models have up to 30,000. */
const SOURCE_LIMIT = 1 << 18;
/** The library's patterns take the square of the length of a run of blanks. */
const BLANKS_LIMIT = 1024;
/** Expressions evaluated, and what they give: an item of an array counts 1/8, a character of a text 1/64. */
const WORK_LIMIT = 200_000;
const WORK_PER_MESSAGE = 2000;
const WORK_PER_TOOL = 10_000;

/**
 * A Jinja chat template as a function that writes what transformers' apply_chat_template does. `where` names it in errors;
 * `special` are the texts of special tokens, `variables` what else it is given. A template that writes the date writes
 * 26 July 2024, so that the same messages are the same tokens on every day.
 */
export function chatTemplate(
  source: string,
  where: string,
  special: { bos: string; eos: string },
  variables: Record<string, unknown> = {},
): ChatTemplate {
  const refuse = (why: string): never => {
    throw new DistillError(`${where} is not a Jinja template that can be read: ${why}.`);
  };
  if (source.length > SOURCE_LIMIT) refuse(`it has ${source.length} characters; at most ${SOURCE_LIMIT} are read`);
  if (new RegExp(`\\s{${BLANKS_LIMIT}}`).test(source)) refuse(`it has a run of ${BLANKS_LIMIT} blanks`);
  let program: Node;
  try {
    program = parseTemplate(source);
  } catch (error) {
    return refuse((error as Error).message);
  }
  return (messages, { generate, tools }) => {
    const names = fromJson({
      tools: tools ?? null,
      documents: null,
      bos_token: special.bos,
      eos_token: special.eos,
      ...variables,
      messages: messages.map(plainTurn),
      add_generation_prompt: generate,
    }) as Map<string, unknown>;
    const work = WORK_LIMIT + WORK_PER_MESSAGE * messages.length + WORK_PER_TOOL * (tools?.length ?? 0);
    const scope = new Scope(new Scope(undefined, Object.entries(GLOBALS)), names);
    try {
      return new Interpreter(limit(work)).render(program.body!, scope);
    } catch (error) {
      throw new DistillError(`${where} cannot write these messages: ${(error as Error).message}.`);
    }
  };
}

/** The names under which reasoning is given; templates read the first, and gpt-oss's the second. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

/** A turn as transformers gives it to a template: without what is null, its reasoning under both names. */
function plainTurn(turn: TemplateMessage): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(turn).filter(([, value]) => value !== null && value !== undefined));
  const reasoning = REASONING.map((name) => given[name]).find((value) => value !== undefined);
  return reasoning === undefined ? given : { thinking: reasoning, ...given, reasoning_content: reasoning };
}

/** Counts what is done, and stops where no template that writes a conversation would get. */
function limit(most: number): (value: unknown, scopes: number) => void {
  let work = 0;
  return (value, scopes) => {
    work += 1 + scopes + costOf(value);
    if (work > most)
      throw new Error(`it takes more than ${most} steps; a loop in it does not end, or goes over too much`);
  };
}

function costOf(value: unknown): number {
  if (typeof value === "string") {
    if (value.length > TEXT_LIMIT) throw new Error(`it makes a text of ${value.length} characters`);
    return value.length / 64;
  }
  const size = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
  if (size > ARRAY_LIMIT) throw new Error(`it makes an array of ${size} items; at most ${ARRAY_LIMIT} are allowed`);
  return size / 8;
}
