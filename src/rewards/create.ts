/** @file Rewards as a recipe names them, made. */

import { existsSync } from "node:fs";
import { z } from "zod";
import { oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import * as rewards from "./index.ts";
import type { WeightedReward } from "./judge.ts";
import { filesOfModule, loadReward } from "./module.ts";
import type { RewardComponent } from "./reward.ts";

const text = z.string().min(1);

/** What a recipe says of a reward beside the reward's own options. */
const inSum = {
  name: text.optional().describe("The column of its scores; its type unless given, or its file's name."),
  weight: z.number().default(1).describe("What the score counts in the sum of rewards."),
  at_least: z.number().optional().describe("A completion with a lower score is not accepted."),
};

const [COMPARING, OTHERS] = [true, false].map((needs) =>
  Object.fromEntries(
    Object.entries(rewards as Record<string, RewardComponent>).filter(
      ([, { needsAnswer = false }]) => needsAnswer === needs,
    ),
  ),
) as [Record<string, RewardComponent>, Record<string, RewardComponent>];

/**
 * A reward of a recipe: a built-in one by its name, or a module of the user's own. `more` are keys of those that may say
 * whether an answer is right.
 */
export const rewardSpec = <More extends z.ZodRawShape = Record<never, never>>(more?: More) =>
  z.discriminatedUnion("type", [
    oneOf(COMPARING, { ...inSum, ...(more as More) }),
    oneOf(OTHERS, inSum),
    z
      .looseObject({
        ...inSum,
        ...(more as More),
        type: z.literal("module").describe("What it is."),
        path: text.describe(
          "A JavaScript module with a default export that defines a reward; other keys are its options.",
        ),
      })
      .describe("A rule of your own, in a module."),
  ]);
export const RewardSpec = rewardSpec();
export const RewardSpecs = z.array(RewardSpec).min(1);
export type RewardSpec = {
  type: string;
  name?: string | undefined;
  weight?: number | undefined;
  at_least?: number | undefined;
};

const isModule = (spec: RewardSpec): spec is RewardSpec & { path: string } => spec.type === "module";

/** What judgements hang on: the specs, the editions of their rules, and the content of a module's files in place of where they lie. */
export const rewardsInput = (specs: readonly RewardSpec[]): unknown[] =>
  specs.map((spec) => {
    const { version = "1" } = builtIn(spec.type) ?? {};
    if (!isModule(spec)) return version === "1" ? spec : { ...spec, version };
    const { path, ...rest } = spec;
    if (!existsSync(path)) throw new DistillError(`Reward module not found: ${path}.`);
    const [own, ...imported] = filesOfModule(path).map(sha256) as [string, ...string[]];
    return { ...rest, name: nameOf(spec), content: own, ...(imported.length > 0 ? { imported } : {}) };
  });

/** Make the rewards. Paths of modules are absolute by now. */
export async function createRewards(specs: readonly RewardSpec[]): Promise<WeightedReward[]> {
  const made = await Promise.all(specs.map(createReward));
  const twice = made.find(({ name }, i) => made.findIndex((other) => other.name === name) !== i);
  if (twice) throw new DistillError(`Two rewards are named "${twice.name}". Give one of them a name of its own.`);
  return made;
}

async function createReward(spec: RewardSpec): Promise<WeightedReward> {
  const { type, name: _, weight = 1, at_least, ...rest } = spec;
  const { path, ...own } = rest as { path: string };
  const component = isModule(spec) ? await loadReward(path) : builtIn(type);
  if (!component)
    throw new DistillError(`Unknown reward "${type}". Expected one of: ${Object.keys(rewards).join(", ")}, module.`);
  const options = checkedOptions(component, isModule(spec) ? own : rest, isModule(spec) ? `module ${path}` : type);
  const { ofGroup, ownThread, needsAnswer, same, version } = component;
  const said = { ofGroup, ownThread, needsAnswer, same, version };
  return { name: nameOf(spec), weight, at_least, ...said, reward: component.create(options) };
}

const builtIn = (type: string): RewardComponent | undefined => (rewards as Record<string, RewardComponent>)[type];

/** Whether a reward is nothing without a reference. What a module needs is known only once it runs. */
export const needsAnswer = ({ type }: RewardSpec): boolean => builtIn(type)?.needsAnswer ?? false;

/** Options with their defaults: those of a module are known only now that it is loaded, those of a program were never read. */
function checkedOptions({ options }: RewardComponent, given: object, of: string): Record<string, unknown> {
  const parsed = options.safeParse(given);
  if (parsed.success) return parsed.data;
  const { path: key, message } = parsed.error.issues[0]!;
  throw new DistillError(`The options of reward ${of}: ${[key.join("."), message].filter(Boolean).join(": ")}.`);
}

/** ./my-reward.js → my-reward */
const nameOf = (spec: RewardSpec): string =>
  spec.name ??
  (isModule(spec)
    ? spec.path
        .split(/[\\/]/)
        .at(-1)!
        .replace(/\.[^.]+$/, "")
    : spec.type);
