/** @file What stands against the exports of a recipe. */

import type { ImportanceOptions } from "../exporters/gguf/importance.ts";

type Export = { type: string; importance_matrix?: ImportanceOptions };

/** `texts` says whether the recipe has texts that the student is trained on. */
export function exportConflicts(exports: readonly Export[], texts: boolean, trainer: string) {
  return exports.flatMap(({ type, importance_matrix: matrix }, i) => {
    const conflicts: { at: (string | number)[]; message: string }[] = [];
    if (exports.findIndex((one) => one.type === type) < i)
      conflicts.push({
        at: [i, "type"],
        message: `${type} is in the list already, and both would be written to export/${type}; make one of them, or use two recipes`,
      });
    if (matrix && !("path" in matrix) && !matrix.dataset && !texts)
      conflicts.push({
        at: [i, "importance_matrix"],
        message: `the trainer ${trainer} has no texts of its own that the student could read; give dataset, or path`,
      });
    return conflicts;
  });
}
