import { deriveSeed, seededRandom } from "../../core/random.ts";
import { type Form, LETTERS, text, withChoices } from "./form.ts";

const RIGHT = "Correct Answer";
const WRONG = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"];

/** Idavidrein/gpqa: the right choice stands first, so the order is drawn, the same for the same question wherever it is asked. */
export const gpqa: Form = {
  needs: ["Question", RIGHT, ...WRONG],
  read(row) {
    const question = text(row, "Question");
    const order = seededRandom(deriveSeed("gpqa", question)).shuffled([RIGHT, ...WRONG]);
    return {
      ...(typeof row["Record ID"] === "string" ? { id: row["Record ID"] } : {}),
      prompt: withChoices(
        question,
        order.map((name) => text(row, name)),
      ),
      answer: LETTERS[order.indexOf(RIGHT)]!,
    };
  },
};
