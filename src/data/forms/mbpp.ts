import { parsedText, RowFault, textOf } from "../values.ts";
import { type Form, tested, text } from "./form.ts";

/** google-research-datasets/mbpp, full and sanitized: a task in words, and assertions, which the task shows. */
export const mbpp: Form = {
  needs: [["text", "prompt"], "test_list"],
  read(row) {
    const task = text(row, row.text === undefined ? "prompt" : "text");
    const tests = list(row, "test_list");
    const setup = [...list(row, "test_imports"), ...(row.test_setup_code ? [text(row, "test_setup_code")] : [])];
    if (tests.length === 0) throw new RowFault("has no tests in its test_list");
    return {
      ...(row.task_id === undefined ? {} : { id: textOf(row.task_id, "task_id") }),
      prompt: `${task.trim()}\n\nYour code should pass these tests:\n\n${tests.join("\n")}`,
      answer: tested({ assertions: tests.map((test) => [...setup, test].join("\n")) }),
    };
  },
};

function list(row: Record<string, unknown>, name: string): string[] {
  const given = parsedText(row[name] ?? []);
  if (!Array.isArray(given)) throw new RowFault(`has no list as its ${name}`);
  return given.map((one) => textOf(one, name));
}
