/** @file Jinja chat templates, which come with models and are programs: what one may cost is limited. */

import * as jinja from "@huggingface/jinja";
import { DistillError } from "../core/errors.ts";
import type { Turn } from "./turns.ts";

export type ChatTemplate = (
  messages: readonly Turn[],
  options: { generate: boolean; tools?: readonly unknown[] | undefined },
) => string;

/** Characters of a template: those of published models have up to 30,000. */
const SOURCE_LIMIT = 1 << 18;
/** The library's patterns take the square of the length of a run of blanks. */
const BLANKS_LIMIT = 1024;
/** Expressions evaluated, and what they give: an item of an array counts 1/8, a character of a text 1/64. */
const WORK_LIMIT = 200_000;
const WORK_PER_MESSAGE = 2000;
const TEXT_LIMIT = 1 << 22;
const ARRAY_LIMIT = 1 << 16;

/**
 * A Jinja chat template as a function. `where` names it in errors; `special` are the texts of special tokens. A template
 * that writes the date writes 26 July 2024, so that the same messages are the same tokens on every day.
 */
export function chatTemplate(
  source: string,
  where: string,
  special: { bos: string; eos: string },
  given: Readonly<Record<string, unknown>> = {},
): ChatTemplate {
  const refuse = (why: string): never => {
    throw new DistillError(`${where} is not a Jinja template that can be read: ${why}.`);
  };
  if (source.length > SOURCE_LIMIT) refuse(`it has ${source.length} characters; at most ${SOURCE_LIMIT} are read`);
  if (new RegExp(`\\s{${BLANKS_LIMIT}}`).test(source)) refuse(`it has a run of ${BLANKS_LIMIT} blanks`);
  let program: Statement;
  try {
    program = new Template(source).parsed;
  } catch (error) {
    return refuse((error as Error).message);
  }
  return (messages, { generate, tools }) => {
    const variables = {
      ...GLOBALS,
      ...given,
      messages,
      tools: tools ?? null,
      add_generation_prompt: generate,
      bos_token: special.bos,
      eos_token: special.eos,
    };
    try {
      const scope = new Environment();
      for (const [name, value] of Object.entries(variables)) scope.set(name, value);
      return new LimitedInterpreter(scope, WORK_LIMIT + WORK_PER_MESSAGE * messages.length).run(program)
        .value as string;
    } catch (error) {
      throw new DistillError(`${where} cannot write these messages: ${(error as Error).message}.`);
    }
  };
}

/** What templates know without being told; Python's spellings too. */
const GLOBALS = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception(message: string): never {
    throw new Error(message);
  },
  range(start: number, stop?: number, step = 1): number[] {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!(length <= ARRAY_LIMIT)) throw new Error(`range() of ${length} numbers; at most ${ARRAY_LIMIT} are made`);
    return Array.from({ length }, (_, i) => from + i * step);
  },
  strftime_now: (format: string) =>
    format.replace(/%(-?[A-Za-z%])/g, (whole, directive: string) => DAY[directive] ?? whole),
};

/** The day that Llama 3's template falls back to where it has no clock. */
const DAY: Record<string, string> = {
  a: "Fri",
  A: "Friday",
  b: "Jul",
  B: "July",
  d: "26",
  "-d": "26",
  e: "26",
  m: "07",
  "-m": "7",
  y: "24",
  Y: "2024",
  H: "12",
  I: "12",
  M: "00",
  S: "00",
  p: "PM",
  j: "208",
  F: "2024-07-26",
  T: "12:00:00",
  "%": "%",
};

type Statement = { type: string; iterable?: Statement; lhs?: Statement };
type RuntimeValue = { value: unknown };
type Scope = { set(name: string, value: unknown): void };

/** The library's classes, whose types no compiler that resolves modules as Node does can find. */
const { Environment, Interpreter, Template } = jinja as unknown as {
  Environment: new () => Scope;
  Interpreter: new (
    scope: Scope,
  ) => {
    evaluate(statement: Statement | undefined, scope: Scope): RuntimeValue;
    run(program: Statement): RuntimeValue;
  };
  Template: new (source: string) => { parsed: Statement };
};

/** Counts what it does, and stops where no template that writes a conversation would get. */
class LimitedInterpreter extends Interpreter {
  private work = 0;
  /** What loops go over: each item is a scope of its own. */
  private readonly iterables = new Set<Statement>();
  private readonly limit: number;

  constructor(scope: Scope, limit: number) {
    super(scope);
    this.limit = limit;
  }

  override evaluate(statement: Statement | undefined, scope: Scope): RuntimeValue {
    // `x` of "for … in x" and of "for … in x if …"
    if (statement?.type === "For") this.iterables.add(statement.iterable!.lhs ?? statement.iterable!);
    const result = super.evaluate(statement, scope);
    this.work += 1 + costOf(result, statement !== undefined && this.iterables.has(statement));
    if (this.work > this.limit)
      throw new Error(`it takes more than ${this.limit} steps; a loop in it does not end, or goes over too much`);
    return result;
  }
}

function costOf({ value }: RuntimeValue, looped: boolean): number {
  if (typeof value === "string") {
    if (value.length > TEXT_LIMIT) throw new Error(`it makes a text of ${value.length} characters`);
    return value.length / 64;
  }
  const items = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
  if (items > ARRAY_LIMIT) throw new Error(`it makes an array of ${items} items; at most ${ARRAY_LIMIT} are allowed`);
  return looped ? items : items / 8;
}
