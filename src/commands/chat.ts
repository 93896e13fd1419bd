/** @file distill chat: talk to a student, a teacher or an exported file in the terminal, or to several side by side. */

import { createInterface } from "node:readline";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";
import { SamplerOptions } from "../sampling/options.ts";
import type { Teacher } from "../teachers/teacher.ts";
import { type Answered, ask, describeAnswer } from "./chat/ask.ts";
import { inColumns } from "./chat/columns.ts";
import { modelsAt, openModel } from "./chat/models.ts";

const { temperature, top_p, top_k, min_p, max_completion_length, seed } = SamplerOptions.shape;
const number = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(
    (given) => (typeof given === "string" && /\d/.test(given) && !Number.isNaN(Number(given)) ? Number(given) : given),
    schema,
  );

const Options = z.object({
  model: z.string().min(1).optional(),
  compare: z.array(z.string().min(1)).min(1).optional(),
  system: z.string().min(1).optional(),
  chatTemplate: z.string().min(1).optional(),
  temperature: number(temperature),
  topP: number(top_p),
  topK: number(top_k),
  minP: number(min_p),
  maxLength: number(max_completion_length),
  seed: number(seed),
});
export type ChatArguments = z.input<typeof Options>;

type Speaker = { name: string; teacher: Teacher; said: Message[] };

export async function chat(place: string, given: ChatArguments, signal: AbortSignal): Promise<void> {
  const parsed = Options.safeParse(given);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const flag = String(path[0]).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new DistillError(`--${flag}: ${message}.`);
  }
  const { model, compare, system, chatTemplate, topP, topK, minP, maxLength, ...rest } = parsed.data;
  const sampling = { temperature: rest.temperature, top_p: topP, top_k: topK, min_p: minP, stop: [], top_logprobs: 0 };
  const options = { ...sampling, max_completion_length: maxLength };
  const speakers: Speaker[] = [];
  try {
    for (const spoken of modelsAt(place, compare ?? (model ? [model] : []))) {
      const teacher = await openModel(spoken, chatTemplate, signal);
      if (!teacher) return;
      speakers.push({ name: spoken.name, teacher, said: [] });
    }
    await talk(speakers, { ...options, seed: rest.seed, system }, signal);
  } finally {
    for (const { teacher } of speakers) await teacher.close();
  }
}

type Talking = Parameters<typeof ask>[2] extends infer All
  ? Omit<All, "signal"> & { system: string | undefined }
  : never;

/** Take questions, one a line, until there are no more. Ctrl-C stops an answer, and where none is written, the talk. */
async function talk(speakers: readonly Speaker[], options: Talking, signal: AbortSignal): Promise<void> {
  const { stdin, stdout } = process;
  const terminal = Boolean(stdin.isTTY && stdout.isTTY);
  const lines = createInterface({ input: stdin, terminal, ...(terminal ? { output: stdout } : {}), prompt: "> " });
  let answering: AbortController | undefined;
  const interrupted = () => {
    if (answering && !answering.signal.aborted) answering.abort();
    else lines.close();
  };
  const stopped = () => {
    answering?.abort();
    lines.close();
  };
  lines.on("SIGINT", interrupted);
  signal.addEventListener("abort", stopped, { once: true });
  if (terminal)
    stdout.write(
      `${speakers.map(({ name, teacher }) => (speakers.length > 1 ? name : `${name} (${teacher.model})`)).join(" │ ")}. ${HELP}\n`,
    );
  try {
    let turn = 0;
    if (terminal) lines.prompt();
    for await (const line of lines) {
      const question = line.trim();
      if (question === "/end") break;
      if (question === "/new") for (const speaker of speakers) speaker.said = [];
      else if (question !== "") {
        answering = new AbortController();
        const asked = { ...options, seed: options.seed + turn++, signal: answering.signal };
        await answerAll(speakers, question, asked, terminal);
        answering = undefined;
      }
      if (signal.aborted) break;
      if (terminal) lines.prompt();
    }
  } finally {
    signal.removeEventListener("abort", stopped);
    lines.close();
    if (terminal) stdout.write("\n");
  }
}

const HELP = "Ctrl-C stops an answer, and then ends; /new forgets what was said.";

type Asked = Talking & { signal: AbortSignal };

async function answerAll(
  speakers: readonly Speaker[],
  question: string,
  asked: Asked,
  terminal: boolean,
): Promise<void> {
  const { system, ...options } = asked;
  const question_ = { role: "user", content: question } as Message;
  const answer = async (speaker: Speaker, onText: (text: string) => void): Promise<Answered> => {
    const head = system && speaker.said.length === 0 ? [{ role: "system", content: system } as Message] : [];
    const messages = [...speaker.said, ...head, question_];
    const answered = await ask(speaker.teacher, messages, options, onText);
    speaker.said = [...messages, { role: "assistant", content: answered.text } as Message];
    return answered;
  };
  if (speakers.length > 1 && terminal) return await sideBySide(speakers, answer);
  for (const speaker of speakers) {
    if (speakers.length > 1) process.stdout.write(`${speaker.name}: `);
    const write = streamed(terminal && !process.env.NO_COLOR);
    const answered = await answer(speaker, write);
    process.stdout.write(terminal ? `\n\x1b[2m${describeAnswer(answered)}\x1b[0m\n` : "\n");
  }
}

/** Write what a growing text has more than before; reasoning is dimmed on a terminal. */
function streamed(colour: boolean): (text: string) => void {
  let written = 0;
  let dimmed = false;
  return (text) => {
    if (text.length <= written) return;
    const more = text.slice(written);
    const inside = text.includes("<think>") && !text.slice(0, written).includes("</think>");
    if (colour && inside && !dimmed) process.stdout.write("\x1b[2m");
    dimmed ||= inside;
    const end = more.indexOf("</think>");
    const cut = end < 0 ? more.length : end + "</think>".length;
    process.stdout.write(colour && dimmed && end >= 0 ? `${more.slice(0, cut)}\x1b[0m${more.slice(cut)}` : more);
    written = text.length;
  };
}

/** All at once, in columns that grow; while they do, only their last lines are shown where they are higher than the terminal. */
async function sideBySide(
  speakers: readonly Speaker[],
  answer: (speaker: Speaker, onText: (text: string) => void) => Promise<Answered>,
): Promise<void> {
  const { stdout } = process;
  const texts = speakers.map(() => "");
  const names = speakers.map(({ name }) => name);
  let [shown, at] = [0, 0];
  const show = (whole: boolean, foot: readonly string[] = []) => {
    const width = stdout.columns || 80;
    const ends = texts.map((text, i) => (foot[i] ? `${text}\n\n(${foot[i]})` : text));
    const lines = inColumns(names, ends, width);
    const kept = whole ? lines : lines.slice(-Math.max(4, (stdout.rows || 24) - 2));
    stdout.write(`${shown > 0 ? `\x1b[${shown}A` : ""}\x1b[J${kept.join("\n")}\n`);
    shown = kept.length;
  };
  const grown = (i: number) => (text: string) => {
    texts[i] = text;
    if (performance.now() - at < 50) return;
    at = performance.now();
    show(false);
  };
  const answered = await Promise.all(speakers.map((speaker, i) => answer(speaker, grown(i))));
  show(true, answered.map(describeAnswer));
}
