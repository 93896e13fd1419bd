/** @file A small world of multi-step arithmetic: stories, instructions and expressions, with long checked solutions. */

import { z } from "zod";
import { deriveSeed, type Random, seededRandom } from "../../core/random.ts";
import { defineGenerator, type Problem } from "./generator.ts";
import { apply, type Chain, drawChain, restated } from "./stories/chain.ts";
import { write } from "./stories/question.ts";
import { solve } from "./stories/solution.ts";

/** One problem in this many is for testing, whatever the seed. */
const TEST_SHARE = 20;

const share = z.number().nonnegative().default(0);

export const stories = defineGenerator({
  options: z
    .object({
      reasoned: share.describe(
        "The share of problems of several operations, solved in a think block, each step checked, mistakes taken back.",
      ),
      single: share.describe("The share of the same with one operation."),
      bare: share.describe("The share of problems of several operations with nothing but their answer."),
      restate: share.describe("The share of problems that are to be written as a chain of operations."),
      chain: share.describe("The share of such chains that are to be worked out."),
      steps: z
        .tuple([z.int().positive(), z.int().positive()])
        .default([3, 6])
        .describe("The least and the most operations in a problem."),
      tags: z
        .boolean()
        .default(true)
        .describe(
          "Whether what is restated or worked out from a chain stands in think and answer blocks, as a solution does.",
        ),
      mistakes: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("The share of steps at which a solution slips and takes it back."),
      chinese: z
        .object({
          share: z.number().min(0).max(1).describe("The share of solutions that begin in it."),
          mixing: z.number().min(0).max(1).default(0).describe("The share of lines that change to the other language."),
        })
        .optional()
        .describe("Lines of solutions in a second language."),
    })
    .describe(
      "A small world of multi-step arithmetic: stories, instructions and expressions, with long checked solutions.",
    ),
  create: ({ steps, tags, mistakes, chinese, ...shares }) =>
    function* (split, seed) {
      const random = seededRandom(deriveSeed(seed, split));
      const kinds = Object.entries(shares).filter(([, weight]) => weight > 0) as [Kind, number][];
      if (kinds.length === 0) kinds.push(["reasoned", 1]);
      const draws = { slips: () => random.uniform() < mistakes, random, chinese };
      while (true) {
        const kind = weighted(random, kinds);
        const [least, most] = kind === "single" ? [1, 1] : steps;
        const chain = drawChain(random, least + random.below(most - least + 1));
        const question = write(random, chain);
        // whether a problem is for testing hangs on its words, so that no kind of task shows one of the other split
        if ((deriveSeed(question) % TEST_SHARE === 0) === (split === "test"))
          yield (tags ? TASKS : UNTAGGED)[kind](question, chain, draws);
      }
    },
});

type Kind = "reasoned" | "single" | "bare" | "restate" | "chain";

type Task = (question: string, chain: Chain, draws: Parameters<typeof solve>[1]) => Problem;

const reasoned: Task = (prompt, chain, draws) => {
  const { lines, value } = solve(chain, draws);
  const answer = String(value);
  return {
    prompt,
    completion: `<think>${[restated(chain), ...lines].join("\n")}</think><answer>${answer}</answer>`,
    answer,
  };
};

const TASKS: Record<Kind, Task> = {
  reasoned,
  single: reasoned,
  bare(prompt, chain) {
    const answer = String(chain.operations.reduce(apply, chain.start));
    return { prompt, completion: `<answer>${answer}</answer>`, answer };
  },
  restate: (question, chain) => ({
    prompt: `Restate: ${question}`,
    completion: `<think>${restated(chain)}</think>`,
    answer: restated(chain),
  }),
  chain: (_, chain, draws) => reasoned(`Work out: ${restated(chain)}`, chain, draws),
};

const UNTAGGED: Record<Kind, Task> = {
  ...TASKS,
  restate: (question, chain) => ({
    prompt: `Restate: ${question}`,
    completion: restated(chain),
    answer: restated(chain),
  }),
  chain(_, chain, draws) {
    const { lines, value } = solve(chain, draws);
    return {
      prompt: `Work out: ${restated(chain)}`,
      completion: [...lines, `So ${value}.`].join("\n"),
      answer: String(value),
    };
  },
};

function weighted(random: Random, kinds: readonly (readonly [Kind, number])[]): Kind {
  let left = random.uniform() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) {
    left -= weight;
    if (left < 0) return kind;
  }
  return kinds.at(-1)![0];
}
