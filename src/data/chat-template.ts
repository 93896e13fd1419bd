import { Template } from "@huggingface/jinja";
import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";

export type ChatTemplate = (messages: readonly Message[], options: { generate: boolean }) => string;

/**
 * A Jinja chat template as a function. `where` names it in errors; `special` are the texts of special tokens. A template
 * that writes the date writes 26 July 2024, so that the same messages are the same tokens on every day.
 */
export function chatTemplate(source: string, where: string, special: { bos: string; eos: string }): ChatTemplate {
  let template: Template;
  try {
    template = new Template(ON_ONE_DAY + source);
  } catch (error) {
    throw new DistillError(`${where} is not a Jinja template that can be read: ${(error as Error).message}.`);
  }
  return (messages, { generate }) => {
    try {
      return template.render({
        messages,
        add_generation_prompt: generate,
        bos_token: special.bos,
        eos_token: special.eos,
        strftime_on_one_day: strftime,
      });
    } catch (error) {
      throw new DistillError(`${where} cannot write these messages: ${(error as Error).message}.`);
    }
  };
}

/** Jinja drops the newline behind a block, so this one takes none from the template. */
const ON_ONE_DAY = "{%- set strftime_now = strftime_on_one_day %}\n";

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

const strftime = (format: string) => format.replace(/%(-?[A-Za-z%])/g, (whole, directive) => DAY[directive] ?? whole);
