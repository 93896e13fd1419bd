import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { readRewards } from "../../src/recipe/recipe.ts";
import { createRewards, rewardsInput } from "../../src/rewards/create.ts";
import { judge } from "../../src/rewards/judge.ts";
import { scratch } from "../support/students.ts";

const SHORT = `
  import { z } from ${JSON.stringify(import.meta.resolve("zod"))};
  export default {
    options: z.strictObject({ most: z.number().default(3) }),
    create: ({ most }) => ({ completion }) => ({ score: Number(completion.length <= most), reason: "counted" }),
  };`;

function files(rewards: string, rule = SHORT) {
  const folder = scratch();
  mkdirSync(join(folder, "rules"));
  writeFileSync(join(folder, "rules", "short.mjs"), rule);
  const path = join(folder, "rewards.yaml");
  writeFileSync(path, rewards);
  return { folder, path };
}

test("a reward of the user's own is found beside the file that names it, with its options", async () => {
  const { path } = files("- { type: accuracy }\n- { type: module, path: ./rules/short.mjs, most: 5, at_least: 1 }\n");
  const rewards = await createRewards(readRewards(path));
  assert.deepEqual(
    rewards.map(({ name }) => name),
    ["accuracy", "short"],
  );
  const sample = { prompt: "", completion: "\\boxed{4}", answer: "4" };
  const judged = await judge(rewards, sample);
  assert.deepEqual([judged.verdict, judged.rewards.short, judged.accepted], ["correct", 0, false]);
});

test("a program's rewards have the defaults that a recipe's have, and what is no option is refused by its name", async () => {
  const code = {
    prompt: "",
    completion: "```python\nprint(3)\n```",
    answer: '{"stdin_tests": [{"input": "", "output": "3"}]}',
  };
  assert.equal((await judge(await createRewards([{ type: "code" }]), code)).verdict, "correct");
  const text = { prompt: "", completion: "<think>\na\n</think>\n\\boxed{4}", answer: "4" };
  const { reward, accepted } = await judge(await createRewards([{ type: "accuracy" }, { type: "format" }]), text);
  assert.deepEqual([reward, accepted], [1, true]);
  const wrong: { type: string; time_limit: string }[] = [{ type: "code", time_limit: "long" }];
  await assert.rejects(
    createRewards(wrong),
    /^DistillError: The options of reward code: time_limit: .*expected number/,
  );
});

test("a recipe's rewards can be read alone", () => {
  const { path } = files("name: x\nstudent: { path: y }\nrewards: [{ type: accuracy }]\n");
  assert.deepEqual(
    readRewards(path).map(({ type }) => type),
    ["accuracy"],
  );
});

test("what judgements hang on is the content of a module, not its place", () => {
  const yaml = "[{ type: module, path: ./rules/short.mjs }]";
  const input = (rule?: string) => rewardsInput(readRewards(files(yaml, rule).path));
  assert.deepEqual(input(), input());
  assert.notDeepEqual(input(), input(`${SHORT}\n// other`));
});

test("judgements hang on what a module imports from beside it, however far, and on no place", () => {
  const yaml = "[{ type: module, path: ./rules/short.mjs }]";
  const rule = 'import { most } from "./more/most.mjs";\nexport default () => ({ score: most, reason: "most" });';
  const input = (most: number) => {
    const { folder, path } = files(yaml, rule);
    mkdirSync(join(folder, "rules", "more"));
    writeFileSync(join(folder, "rules", "more", "most.mjs"), 'export { most } from "../number.mjs";');
    writeFileSync(join(folder, "rules", "number.mjs"), `import "./short.mjs";\nexport const most = ${most};`);
    return rewardsInput(readRewards(path));
  };
  assert.deepEqual(input(1), input(1));
  assert.notDeepEqual(input(1), input(2));
  const [alone] = rewardsInput(readRewards(files(yaml).path)) as object[];
  assert.deepEqual(Object.keys(alone!).sort(), ["content", "name", "type", "weight"]);
});

test("rewards that cannot be made are refused with a sentence", async () => {
  const refused = (yaml: string, expected: RegExp) =>
    assert.rejects(
      async () => createRewards(readRewards(files(yaml).path)),
      (error) => error instanceof DistillError && expected.test(error.message),
    );
  await refused("[{ type: module, path: ./none.mjs }]", /^Reward module not found: .*none\.mjs\.$/);
  await refused("[{ type: module, path: ./rules/short.mjs, most: many }]", /short\.mjs: most: /);
  await refused("[{ type: lenght }]", /has no valid rewards: rewards\[0\]\.type: /);
  await refused("[{ type: accuracy, profil: strict }]", /unknown key "profil" \(did you mean "profile"\?\)/);
  await refused("[{ type: format }, { type: format }]", /^Two rewards are named "format"/);
  await refused("{ reward: 1 }", /names no rewards\. Expected/);
});
