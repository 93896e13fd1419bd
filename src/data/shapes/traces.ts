/** @file Traces as they were drawn: what was asked, and beside it what was answered. */

import { textOf } from "../values.ts";
import { conversation, type Shape } from "./shape.ts";

export const trace: Shape = {
  kind: "conversation",
  rank: -1,
  needs: ["messages", "completion", "prompt_text"],
  reads: ["prompt"],
  read(columns, reading) {
    const { row } = conversation(columns.messages, columns, reading, "messages");
    if (!("messages" in row) || row.messages.at(-1)?.role === "assistant") return { row }; // the dataset of the accepted ones
    const answer = { role: "assistant", content: textOf(columns.completion, "completion") };
    return { row: { messages: [...row.messages, answer] } };
  },
};
