import { DistillError } from "../../core/errors.ts";
import type { Segment } from "../../data/batch.ts";
import { writable } from "../../data/rendered.ts";
import type { TrainingRow } from "../../data/rows.ts";
import { asConversation, promptTokens, toSegments } from "../../data/segments.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { type Law, verdict } from "./law.ts";

/** Of all rows. */
export const supervision: Law = {
  states:
    "every row has supervised tokens, the last a stop token, one BOS, and begins with exactly what inference renders",
  async check({ rows, tokenizer, dataset = "The dataset" }) {
    if (!rows || !tokenizer) return { status: "skipped", found: "there are no rows of text" };
    const failures: string[] = [];
    let [tokens, supervised] = [0, 0];
    for (const [i, row] of rows.entries()) {
      const where = `${dataset}, row ${i + 1}`;
      try {
        const segments = toSegments(row, tokenizer, where);
        for (const segment of segments) {
          tokens += segment.tokens.length;
          supervised += segment.supervised.filter(Boolean).length;
        }
        if (!beginsAsInference(row, segments.at(-1)!, tokenizer))
          failures.push(`${where}: the tokens before the answer are not those of the prompt at inference`);
      } catch (error) {
        if (!(error instanceof DistillError)) throw error;
        failures.push(error.message);
      }
    }
    const more = failures.length > 2 ? ` And ${failures.length - 2} more rows.` : "";
    return verdict(
      failures.length === 0,
      failures.length > 0
        ? `${failures.slice(0, 2).join(" ")}${more}`
        : `all ${rows.length} rows; ${supervised} of ${tokens} tokens are supervised`,
    );
  },
};

/** Whether a row's last answer follows the tokens of its prompt, tokenized in one piece as a teacher or a runtime does. */
function beginsAsInference(row: TrainingRow, { tokens, supervised }: Segment, tokenizer: Tokenizer): boolean {
  if (!("messages" in row || "prompt" in row)) return true; // all of it is learned, or as its mask says
  const last = supervised.lastIndexOf(true);
  const start = supervised.lastIndexOf(false, last) + 1;
  const prompt = promptTokens(promptOf(row, tokenizer), tokenizer);
  return prompt.length === start && prompt.every((id, i) => id === tokens[i]);
}

function promptOf(row: Extract<TrainingRow, { messages: unknown } | { prompt: string }>, tokenizer: Tokenizer): string {
  if ("prompt" in row && tokenizer.template === undefined) return row.prompt;
  const { messages, tools, learn } = asConversation(row);
  const answer = messages.findLastIndex(({ role }, i) => role === "assistant" && learn?.[i] !== false);
  return tokenizer.render(writable(messages.slice(0, answer), tools, tokenizer), { generate: true, tools });
}
