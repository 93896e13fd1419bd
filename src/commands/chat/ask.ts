/** @file One answer of a model, while it is written. */

import { DistillError } from "../../core/errors.ts";
import type { Message } from "../../core/trace.ts";
import { prefilledThink } from "../../data/think.ts";
import type { SamplingOptions, Teacher } from "../../teachers/teacher.ts";

export type Answered = {
  /** With the think block that the template opens for it. */
  text: string;
  tokens: number;
  seconds: number;
  /** "stopped" where the one who asked had enough. */
  ended: "stop" | "length" | "stopped";
};

/** Ask with all that was said before; `onText` is called with the answer as it grows. */
export async function ask(
  teacher: Teacher,
  messages: readonly Message[],
  options: SamplingOptions & { seed: number; signal: AbortSignal },
  onText: (text: string) => void,
): Promise<Answered> {
  const { seed, ...sampling } = options;
  const prompt = teacher.render(messages);
  const opened = prefilledThink(prompt);
  const start = performance.now();
  let [text, tokens] = [opened, 0];
  const told = (completion: string) => {
    text = opened + completion;
    onText(text.replace(/\uFFFD+$/, "")); // the rest of such a character is still to come
  };
  const asked = {
    ...sampling,
    onTokens: (count: number) => {
      tokens = count;
    },
    onText: (_: number, completion: string) => told(completion),
  };
  const seconds = () => (performance.now() - start) / 1000;
  for await (const { generation, error } of teacher.generate([{ prompt, messages, seed }], asked)) {
    if (error !== undefined) throw new DistillError(error);
    told(generation!.completion);
    tokens = Math.max(tokens, generation!.token_ids.length);
    return { text, tokens, seconds: seconds(), ended: generation!.finish_reason === "stop" ? "stop" : "length" };
  }
  return { text, tokens, seconds: seconds(), ended: "stopped" };
}

/** 12 tokens in 0.4 s, 30 tokens/s; cut off */
export const describeAnswer = ({ tokens, seconds, ended }: Answered): string => {
  const end = { stop: "", length: "; cut off at its most tokens", stopped: "; stopped" }[ended];
  return `${tokens} tokens in ${seconds.toFixed(1)} s, ${Math.round(tokens / Math.max(seconds, 1e-3))} tokens/s${end}`;
};
