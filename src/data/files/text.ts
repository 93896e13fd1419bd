/** @file Texts as they stand, one a line. */

import { lineBlocks } from "./bytes.ts";
import type { RowFile } from "./found.ts";

export const text: RowFile = {
  endings: [".txt"],
  async *rows(path) {
    for await (const { first, lines } of lineBlocks(path))
      for (const [i, line] of lines.entries())
        if (line.trim()) yield { where: `${path}, line ${first + i}`, value: { text: line.replace(/\r$/, "") } };
  },
};
