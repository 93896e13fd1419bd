import { isRecord, parsedText, RowFault, textOf } from "../values.ts";
import { type Form, LETTERS, text, withChoices } from "./form.ts";

const QUESTION = ["question", "prompt"];

/** A question with a list of choices, as cais/mmlu and allenai/ai2_arc have it: the answer is a letter, a label, a number from 0 or a choice. */
export const multiple_choice: Form = {
  needs: [QUESTION, "choices", ["answer", "answerKey"]],
  read(row) {
    const { choices, labels } = choicesOf(parsedText(row.choices));
    const answer = row.answer ?? row.answerKey;
    const right = numberOf(answer, choices, labels);
    if (right === undefined)
      throw new RowFault(
        `has the answer ${JSON.stringify(answer)}. Expected the letter, the label, the number from 0 or the text of one of its ${choices.length} choices`,
      );
    const question = text(row, QUESTION.find((name) => row[name] !== undefined)!);
    return { prompt: withChoices(question, choices), answer: LETTERS[right]! };
  },
};

function choicesOf(given: unknown): { choices: string[]; labels: string[] } {
  const [choices, labels] = isRecord(given) ? [given.text, given.label] : [given, undefined];
  if (!Array.isArray(choices)) throw new RowFault(`has no list as its choices`);
  const texts = (list: readonly unknown[]) => list.map((choice) => textOf(choice, "choices"));
  return { choices: texts(choices), labels: Array.isArray(labels) ? texts(labels) : [] };
}

function numberOf(answer: unknown, choices: readonly string[], labels: readonly string[]): number | undefined {
  const there = (i: number) => (i >= 0 && i < choices.length ? i : undefined);
  if (typeof answer === "number" || typeof answer === "bigint") return there(Number(answer));
  if (typeof answer !== "string") return undefined;
  const word = answer.trim();
  return (
    there(labels.indexOf(word)) ??
    (/^\(?[A-J]\)?$/.test(word) ? there(LETTERS.indexOf(word.replace(/[()]/g, ""))) : undefined) ??
    there(choices.indexOf(answer)) ??
    (/^\d$/.test(word) ? there(Number(word)) : undefined)
  );
}
