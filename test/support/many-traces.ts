/** @file A dataset of many traces of a few hundred characters, as sampling leaves them. */

import { dataOf, listOf, struct } from "../../src/data/columns.ts";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { type Table, tableOf } from "../../src/data/tables.ts";
import { Bool, Float64, Int32, Utf8 } from "../../src/formats/apache-arrow.ts";

const PIECE = 4096;
const SAMPLES = 4;

/** What a trace of this number is: a fourth of them is wrong. */
export const manyTrace = (row: number) => ({
  prompt_id: `task-${Math.floor(row / SAMPLES)}`,
  sample: row % SAMPLES,
  prompt: `Task ${Math.floor(row / SAMPLES)}: what is ${row % 97} times <b>$x^2$</b>?`,
  completion: `<think>${"Step by step, and then some. ".repeat(8)}</think>\n\nSo $\\frac{${row}}{2}$ <script>alert(1)</script>\n\n\`\`\`js\nx = ${row}\n\`\`\``,
  verdict: row % 4 === 3 ? "incorrect" : "correct",
});

export async function writeManyTraces(folder: string, count: number): Promise<void> {
  function* tables(): Generator<Table> {
    for (let start = 0; start < count; start += PIECE) {
      const rows = Array.from({ length: Math.min(PIECE, count - start) }, (_, i) => manyTrace(start + i));
      const of = <Value>(value: (row: (typeof rows)[number]) => Value) => rows.map(value);
      const right = of(({ verdict }) => verdict === "correct");
      const text = (value: (row: (typeof rows)[number]) => string) => dataOf(of(value), new Utf8());
      yield tableOf({
        prompt_id: text(({ prompt_id }) => prompt_id),
        sample: dataOf(
          of(({ sample }) => sample),
          new Int32(),
        ),
        prompt: text(({ prompt }) => prompt),
        answer: text(() => "4"),
        completion: text(({ completion }) => completion),
        token_ids: dataOf(
          rows.map((_, i) => [i, i + 1, i + 2]),
          listOf(new Int32()),
        ),
        finish_reason: text(() => "stop"),
        rewards: struct(
          {
            accuracy: dataOf(right.map(Number), new Float64()),
            format: dataOf(
              right.map(() => 1),
              new Float64(),
            ),
          },
          rows.length,
        ),
        verdict: text(({ verdict }) => verdict),
        reason: text(() => "accuracy"),
        accepted: dataOf(right, new Bool()),
      });
    }
  }
  await writeDataset(folder, tables());
}
