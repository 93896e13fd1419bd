import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { loadReward } from "../../src/rewards/module.ts";

const folder = mkdtempSync(join(tmpdir(), "modules-"));
let count = 0;
const moduleOf = (text: string) => {
  const path = join(folder, `${count++}.mjs`);
  writeFileSync(path, text);
  return path;
};
const zod = import.meta.resolve("zod");
const sample = { prompt: "", completion: "abc" };

const fails = (promise: Promise<unknown> | (() => Promise<unknown>), expected: RegExp) =>
  assert.rejects(
    promise,
    (error) => error instanceof DistillError && expected.test(error.message) && !error.message.includes("\n"),
  );

test("a function is a rule", async () => {
  const rule = await loadReward(
    moduleOf("export default ({ completion }) => ({ score: completion.length, reason: 'letters' })"),
  );
  const reward = rule.create(rule.options.parse({}));
  assert.deepEqual(await reward(sample), { score: 3, reason: "letters" });
  assert.throws(() => rule.options.parse({ unknown: 1 }));
});

test("a component has options of its own", async () => {
  const rule = await loadReward(
    moduleOf(`
      import { z } from ${JSON.stringify(zod)};
      export default {
        options: z.strictObject({ per: z.number().default(2) }),
        create: ({ per }) => async ({ completion }, group) => ({ score: completion.length / per, verdict: "correct", reason: String(group?.length) }),
      };`),
  );
  const reward = rule.create(rule.options.parse({ per: 6 }));
  assert.deepEqual(await reward(sample, [sample, sample]), { score: 0.5, verdict: "correct", reason: "2" });
});

test("what does not fit is refused with a sentence that says what and where", async () => {
  await fails(loadReward(join(folder, "none.mjs")), /^Reward module not found: .*none\.mjs\.$/);
  await fails(loadReward(moduleOf("export const reward = () => 1")), /has no default export\. Expected/);
  await fails(
    loadReward(moduleOf("export default 42")),
    /default export of reward module .* is a number\. Expected a function/,
  );
  await fails(
    loadReward(moduleOf("export default { options: {}, create() {} }")),
    /is an object of another shape\. Expected/,
  );
  await fails(loadReward(moduleOf("throw new Error('no luck')")), /does not load: no luck\.$/);
  await fails(loadReward(moduleOf("export default (")), /does not load: /);
});

test("a function with a second parameter compares the samples of a group", async () => {
  const ofGroup = async (text: string) => (await loadReward(moduleOf(`export default ${text}`))).ofGroup;
  assert.equal(await ofGroup("(sample) => ({ score: 1, reason: '' })"), false);
  assert.equal(await ofGroup("(sample, group) => ({ score: group.length, reason: '' })"), true);
});

test("create must return a function", async () => {
  const rule = await loadReward(
    moduleOf(
      `import { z } from ${JSON.stringify(zod)}; export default { options: z.strictObject({}), create: () => 1 };`,
    ),
  );
  assert.throws(() => rule.create({}), /create\(\) of reward module .* returned a number\. Expected a function/);
});

test("what is returned must be a score, at every call", async () => {
  for (const [returned, found] of [
    ["1", /\(a number\)/],
    ["null", /\(null\)/],
    ["undefined", /\(a undefined\)/],
    ["true", /\(a boolean\)/],
    ["{ score: NaN, reason: '' }", /its score: /],
    ["{ score: '1', reason: '' }", /its score: /],
    ["{ score: 1 }", /its reason: /],
    ["{ score: 1, reason: '', verdict: 'right' }", /its verdict: /],
  ] as const) {
    const rule = await loadReward(moduleOf(`export default () => (${returned})`));
    await fails(async () => rule.create({})(sample), found);
  }
  const throwing = await loadReward(moduleOf("export default () => { throw new Error('oh') }"));
  await fails(async () => throwing.create({})(sample), /failed on a sample: oh\.$/);
});
