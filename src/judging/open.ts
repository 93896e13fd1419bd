/** @file Rules of a recipe, made: with the model that one of them asks where it says no. */

import { basename } from "node:path";
import { create } from "../core/component.ts";
import { contentHash } from "../core/hash.ts";
import { type Journal, openJournal, type Spent } from "../data/journal.ts";
import { createRewards, type RewardSpec, rewardsInput } from "../rewards/create.ts";
import type { WeightedReward } from "../rewards/judge.ts";
import type { JudgeModel } from "../rewards/opinion.ts";
import { openBudget, type Price } from "../teachers/budget.ts";
import * as teachers from "../teachers/index.ts";
import { priceOf } from "../teachers/priced.ts";
import { type Answered, openAsking } from "./ask.ts";
import type { JudgeOptions } from "./options.ts";
import { questionOf, readOpinion } from "./question.ts";

export type JudgedSpec = RewardSpec & { judge?: JudgeOptions | undefined };

/** A teacher's options on which its answers hang, with the content of its files. */
export type ContentOf = (teacher: JudgeOptions["teacher"]) => Record<string, unknown>;

export type JudgePlace = {
  contentOf: ContentOf;
  /** Where answers are kept under a key. */
  place: (key: string) => string;
  signal?: AbortSignal | undefined;
};

/** The models that some rules ask: each is opened once, whoever asks it, with its first question. */
export type Judges = {
  open(options: JudgeOptions, rule: string): Judge;
  /** What those that are paid for were asked and cost, in this run and earlier ones. */
  spent(): { spent: Spent; price: Price | undefined }[];
  close(): Promise<void>;
};

/** A model that answers questions. */
type Judge = { ask(question: string): Promise<Answered>; model(): string };

/** Which edition of the reading of a judge's answers: raised whenever what comes of one may change. */
const EDITION = "1";

/** What judgements hang on: the rules, and the judge with its question; budgets and the like are no part of it. */
export const rulesInput = (specs: readonly JudgedSpec[], contentOf: ContentOf): unknown[] =>
  rewardsInput(specs.map(withoutJudge)).map((input, i) => {
    const { judge } = specs[i]!;
    if (!judge) return input;
    const { teacher, budget: _, ...asked } = judge;
    return { ...(input as object), judge: { ...asked, teacher: contentOf(teacher), edition: EDITION } };
  });

function withoutJudge({ judge: _, ...spec }: JudgedSpec): RewardSpec {
  return spec;
}

/** Make the rules; who is asked where one says no is opened among `judges`. */
export async function openRules(specs: readonly JudgedSpec[], judges: Judges): Promise<WeightedReward[]> {
  const rewards = await createRewards(specs.map(withoutJudge));
  return rewards.map((reward, i) => {
    const { judge } = specs[i]!;
    return judge
      ? { ...reward, judge: secondOpinion(judge, judges.open(judge, reward.name)), ownThread: true }
      : reward;
  });
}

/** Questions that a judge may have open, so that a server has enough to do. */
const WIDTH = 256;

const secondOpinion = (options: JudgeOptions, judge: Judge): JudgeModel => ({
  when: options.when,
  width: WIDTH,
  async ask(sample) {
    const answer = await judge.ask(questionOf(options.prompt, sample));
    const model = judge.model();
    if ("error" in answer) return { verdict: "infra_error", reason: answer.error, model };
    return { ...readOpinion(answer, options), model };
  },
});

export function openJudges({ contentOf, place, signal }: JudgePlace): Judges {
  type Opened = Judge & { journal: Journal; price?: Price | undefined; paid: boolean; close(): Promise<void> };
  const opened = new Map<string, Opened>();

  function open({ teacher: spec, budget = {}, ...options }: JudgeOptions, key: string, rule: string): Opened {
    const { temperature, max_completion_length } = options;
    const journal = openJournal({ folder: place(key), key });
    const asking = openAsking({
      ...{ journal, temperature, max_completion_length, signal },
      async open() {
        const teacher = await create(teachers, spec as { type: string }, "teacher");
        judge.paid = teacher.paid ?? false;
        judge.price = priceOf(spec as { type: string }, teacher.model);
        return { teacher, budget: openBudget(budget, judge.price, journal.spent()) };
      },
      usedUp: (refusal) =>
        `The judge of ${rule} is asked nothing more: ${refusal}. What it said is kept; raise judge.budget of that rule, and the same command continues.`,
    });
    const judge: Opened = {
      ask: asking.ask,
      model: () => asking.model() ?? nameOf(spec),
      ...{ journal, paid: false },
      async close() {
        try {
          await asking.close();
        } finally {
          await journal.close();
        }
      },
    };
    return judge;
  }

  return {
    open(options, rule) {
      const { teacher, temperature, max_completion_length } = options;
      const key = contentHash({ judge: contentOf(teacher), temperature, max_completion_length });
      const judge = opened.get(key) ?? open(options, key, rule);
      opened.set(key, judge);
      return judge;
    },
    spent: () =>
      [...opened.values()].flatMap(({ paid, journal, price }) => (paid ? [{ spent: journal.spent(), price }] : [])),
    async close() {
      for (const judge of opened.values()) await judge.close();
      opened.clear();
    },
  };
}

/** What a model is called as long as it was not opened. */
function nameOf({ type, path, model }: { type: string; path?: string; model?: string }): string {
  return model ?? (path === undefined ? type : basename(path));
}
