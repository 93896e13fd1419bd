/** @file Traces as they were drawn: what was asked, and beside it what was answered. */

import { textOf } from "../values.ts";
import { conversation, type Shape } from "./shape.ts";

export const trace: Shape = {
  kind: "trace",
  needs: ["messages", "completion", "prompt_text"],
  reads: ["prompt", "reasoning"], // which the completion holds
  read(columns, reading) {
    const completion = textOf(columns.completion, "completion");
    if (reading.prefer === "prompt") return { row: { prompt: textOf(columns.prompt_text, "prompt_text"), completion } };
    const { row } = conversation(columns.messages, columns, reading, "messages");
    if (!("messages" in row) || row.messages.at(-1)?.role === "assistant") return { row }; // the dataset of the accepted ones
    return { row: { messages: [...row.messages, { role: "assistant", content: completion }] } };
  },
};
