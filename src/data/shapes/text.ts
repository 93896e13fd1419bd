/** @file Texts without a prompt: all of them is learned. */

import { textOf } from "../values.ts";
import type { Shape } from "./shape.ts";

export const text: Shape = {
  kind: "text",
  needs: ["text"],
  reads: [],
  read: (columns) => ({ row: { text: textOf(columns.text, "text") } }),
};
