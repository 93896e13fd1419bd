/** @file Conversations, as chat templates take them. */

import { BESIDE_TURNS, conversation, type Shape } from "./shape.ts";

export const messages: Shape = {
  kind: "conversation",
  needs: ["messages"],
  reads: BESIDE_TURNS,
  read: (columns, reading) => conversation(columns.messages, columns, reading, "messages"),
};

/** ShareGPT's: who speaks is `from`, what is said `value`. */
export const conversations: Shape = {
  kind: "conversation",
  rank: 1,
  needs: ["conversations"],
  reads: BESIDE_TURNS,
  read: (columns, reading) => conversation(columns.conversations, columns, reading, "conversations"),
};
