/** @file Published benchmarks and ways of sampling, as the keys of a recipe's evaluation that they stand for. */

import { DistillError } from "../core/errors.ts";
import { suggestion } from "../core/nearest.ts";

type Keys = Record<string, unknown>;

/** How is sampled. */
export const protocols = {
  /** DeepSeek-R1 (arXiv:2501.12948), section 3. */
  deepseek_r1: { temperature: 0.6, top_p: 0.95, max_completion_length: 32_768 },
  /** The most likely token each time; more than one sample would be the same. */
  greedy: { temperature: 0, top_p: 1, num_generations: 1 },
} satisfies Record<string, Keys>;

const BOXED = "{prompt}\n\nPlease reason step by step, and put your final answer within \\boxed{}.";
const LETTER = "{prompt}\n\nPlease reason step by step, and put the letter of your answer within \\boxed{}.";
const PROGRAM = "Write the whole program, with its imports, in one block of Python (```python).\n\n{prompt}";
const ALL_TESTS = { type: "code", score: "all" };

/** Where the questions lie at the hub, how they are asked, and the samples that the paper's tables rest on. */
export const presets = {
  gsm8k: {
    prompts: { path: "hf:datasets/openai/gsm8k:main/test-00000-of-00001.parquet", form: "gsm8k", instruction: BOXED },
    protocol: "greedy",
    max_completion_length: 1024,
  },
  math_500: {
    prompts: {
      path: "hf:datasets/HuggingFaceH4/MATH-500:test.jsonl",
      columns: { id: "unique_id" },
      instruction: BOXED,
    },
    protocol: "deepseek_r1",
    num_generations: 4,
  },
  aime24: {
    prompts: {
      path: "hf:datasets/HuggingFaceH4/aime_2024:data/train-00000-of-00001.parquet",
      instruction: BOXED,
    },
    protocol: "deepseek_r1",
    num_generations: 64,
  },
  aime25: {
    prompts: {
      path: "hf:datasets/math-ai/aime25:test.jsonl",
      instruction: BOXED,
    },
    protocol: "deepseek_r1",
    num_generations: 64,
  },
  gpqa_diamond: {
    prompts: { path: "hf:datasets/Idavidrein/gpqa:gpqa_diamond.csv", form: "gpqa", instruction: LETTER },
    correctness: { type: "multiple_choice" },
    protocol: "deepseek_r1",
    num_generations: 8,
  },
  humaneval: {
    prompts: {
      path: "hf:datasets/openai/openai_humaneval:openai_humaneval/test-00000-of-00001.parquet",
      form: "humaneval",
      instruction: PROGRAM,
    },
    correctness: ALL_TESTS,
    protocol: "greedy",
    max_completion_length: 2048,
  },
  mbpp: {
    prompts: {
      path: "hf:datasets/google-research-datasets/mbpp:sanitized/test-00000-of-00001.parquet",
      form: "mbpp",
      instruction: PROGRAM,
    },
    correctness: ALL_TESTS,
    protocol: "greedy",
    max_completion_length: 2048,
  },
  livecodebench: {
    prompts: {
      // the files of its versions 4 and 5: problems from August 2024 to January 2025
      path: ["test4.jsonl", "test5.jsonl"].map((file) => `hf:datasets/livecodebench/code_generation_lite:${file}`),
      form: "livecodebench",
      instruction: PROGRAM,
    },
    correctness: ALL_TESTS,
    protocol: "deepseek_r1",
    num_generations: 16,
  },
} satisfies Record<string, Keys>;

const known = <Of extends Keys>(of: Of, name: string, what: string): Keys => {
  if (!Object.hasOwn(of, name))
    throw new DistillError(`There is no ${what} "${name}"${suggestion(name, Object.keys(of))}.`);
  return of[name] as Keys;
};

/** The keys of an evaluation with what its preset and its protocol stand for; its own go before both. */
export function expanded(own: Keys): Keys {
  const preset = typeof own.preset === "string" ? known(presets, own.preset, "preset") : {};
  const sampled = (of: Keys) => (typeof of.protocol === "string" ? known(protocols, of.protocol, "protocol") : {});
  const { prompts, ...rest } = preset;
  return {
    ...sampled(preset),
    ...rest,
    ...sampled(own),
    ...own,
    ...(prompts ? { prompts: asked(prompts as Keys, own.prompts) } : {}),
  };
}

/** Questions of a preset from where the recipe says, in the form that was published unless it says that too. */
const asked = (prompts: Keys, own: unknown): unknown =>
  typeof own === "object" && own !== null && !("generate" in own) ? { ...prompts, ...own } : (own ?? prompts);
