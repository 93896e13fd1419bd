import { BeamOptions, searchBeams } from "./beams.ts";
import { defineSearch } from "./search.ts";

/** Beam search over steps, each scored as it stands (arXiv:2408.03314, section 5.2). */
export const beam = defineSearch({
  options: BeamOptions.describe(
    "Several beginnings of an answer; after each step the most promising are gone on with.",
  ),
  create: (options) => (run) => searchBeams(run, { ...options, lookahead: 0 }, "beam search"),
});
