import { z } from "zod";
import { BeamOptions, searchBeams } from "./beams.ts";
import { defineSearch } from "./search.ts";

/** Beam search whose steps are scored with what follows them greedily (arXiv:2408.03314, section 5.2). */
export const lookahead = defineSearch({
  options: BeamOptions.extend({
    lookahead: z
      .int()
      .positive()
      .default(64)
      .describe("Tokens that are written greedily behind a step before it is scored."),
  }).describe("The same as beam; a step is scored with what would follow it."),
  create: (options) => (run) => searchBeams(run, options, "lookahead search"),
});
