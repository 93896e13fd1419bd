import { type Form, text } from "./form.ts";

/** openai/gsm8k: the answer stands behind #### at the end of the solution. */
export const gsm8k: Form = {
  needs: [["question", "prompt"], "answer"],
  read(row) {
    const answer = text(row, "answer").split("####").at(-1)!.trim();
    return {
      prompt: text(row, row.question === undefined ? "prompt" : "question"),
      answer: answer.replaceAll(",", ""),
    };
  },
};
